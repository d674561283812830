//! A design as one page of Markdown: the drawing and every answer. `docs/` holds one for each stage.

use crate::design::Design;
use crate::explain::{answer, topics};
use crate::{draw, sentence};

/// The page. `stack` is the file's name, `picture` the drawing's, both as the page links them.
pub fn page(design: &Design, title: &str, stack: &str, picture: &str) -> String {
    let mut text = format!(
        "# {title}\n\n<!-- Generated from {stack}: do not edit. -->\n\n[{stack}](../{stack}): {}.\n\n![The design]({picture})\n\n\
         ```\n{}```\n",
        sentence(design),
        draw::text(design)
    );
    for topic in topics(design) {
        let Some(answer) = answer(design, &topic.name) else {
            continue;
        };
        // The answer begins with its question, which is the heading here.
        let body = answer
            .split_once("\n\n")
            .map_or(answer.as_str(), |(_, body)| body);
        text += &format!("\n## {}\n\n", topic.question);
        // What is aligned for a terminal stays so.
        if body.lines().any(|line| line.starts_with(' ')) {
            text += &format!("```\n{body}```\n");
        } else {
            text += body;
        }
    }
    text
}
