//! Where a block begins and ends, also when a brace is missing or one too many.

use super::Reader;
use crate::problem::Problem;
use crate::read::cursor::is_newline;
use crate::read::tree::{Block, Node, Span};

/// Blocks within blocks; no sensible file comes near it, and reading is recursive.
const DEEPEST: usize = 32;

/// An open block.
#[derive(Clone, Copy)]
pub(super) struct Open {
    brace: Span,
    indentation: usize,
}

impl Reader<'_> {
    /// A block; `false` when its closing brace is missing, so what follows is no part of this node.
    pub(super) fn braces(&mut self, node: &mut Node) -> bool {
        let start = self.cursor.at();
        self.cursor.skip(1);
        let brace = self.cursor.since(start);
        if self.open.len() == DEEPEST {
            self.too_deep(brace);
            return false;
        }
        self.open.push(Open {
            brace,
            indentation: self.cursor.line_indentation(start),
        });
        let nodes = self.nodes();
        let closed = self.cursor.before() == Some('}');
        let span = self.cursor.since(start);
        match &mut node.children {
            None => node.children = Some(Block { nodes, span }),
            Some(block) => {
                block.nodes.extend(nodes);
                let label = "put it all into the first pair";
                self.say("two-blocks", "a word has one pair of braces", brace, label);
            }
        }
        closed
    }

    /// What is deeper is not read, nor is what comes behind it: its braces can no longer be told apart.
    fn too_deep(&mut self, brace: Span) {
        let label = format!("{DEEPEST} blocks are open here");
        self.say("too-deep", "blocks within blocks, too deep", brace, label);
        self.cursor.skip(self.cursor.rest().len());
        self.open.clear();
    }

    /// Whether the innermost block, or the file, is at its end here. A closing brace is taken.
    pub(super) fn block_ends(&mut self) -> bool {
        loop {
            let at = self.cursor.at();
            let indentation = if self.by_indentation {
                self.cursor.indentation(at)
            } else {
                None
            };
            let end = match (self.open.last().copied(), self.cursor.peek()) {
                (None, Some('}')) => false,
                (None, next) => return next.is_none(),
                (Some(block), None) => {
                    self.unclosed(block, None);
                    return true;
                }
                (Some(block), Some('}')) => match indentation {
                    Some(found) if found < block.indentation => {
                        self.unclosed(block, Some(at));
                        return true;
                    }
                    Some(found) => found == block.indentation,
                    None => true,
                },
                (Some(block), Some(_)) => {
                    let left = indentation.is_some_and(|found| found <= block.indentation);
                    if left {
                        self.unclosed(block, Some(at));
                    }
                    return left;
                }
            };
            if end {
                self.cursor.skip(1);
                self.open.pop();
                return true;
            }
            self.surplus();
            self.skip_blank();
        }
    }

    fn surplus(&mut self) {
        self.mismatched = true;
        let start = self.cursor.at();
        self.cursor.skip(1);
        let span = self.cursor.since(start);
        let message = "a closing brace that closes nothing";
        self.say("surplus-brace", message, span, "take it out");
        // A `;` may end what the brace seemed to end.
        self.cursor.take_while(|c| c == ';');
    }

    fn unclosed(&mut self, block: Open, seen: Option<usize>) {
        self.mismatched = true;
        self.open.pop();
        let message = "a brace is not closed";
        let problem = Problem::error("unclosed-brace", message, block.brace, "opened here");
        let first = self.cursor.peek().filter(|c| !is_newline(*c));
        self.problems.push(match (seen, first) {
            (Some(at), Some(c)) => {
                let span = Span::new(at, at + c.len_utf8());
                problem.and(span, "add a } on a line before this")
            }
            _ => problem.help("add a } where the block ends"),
        });
    }
}
