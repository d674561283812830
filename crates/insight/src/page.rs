//! A design as one page of Markdown: the drawing and every answer. `docs/` holds one for each stage.

use crate::design::Design;
use crate::explain::{blocks, prose, topics};
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
        if let Some((question, blocks)) = blocks(design, &topic.name) {
            text += &format!("\n## {question}\n\n{}", prose::markdown(&blocks));
        }
    }
    text
}
