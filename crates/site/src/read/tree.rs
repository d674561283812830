//! The syntax tree: what the file says, word by word, with the place of every part.
//!
//! Nothing is interpreted here. The tree keeps spans into the source, and the source keeps comments and
//! spaces, so an edit by span loses nothing.

/// A place in the source: byte offsets, `start` included, `end` not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// From `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }
}

/// Something and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spanned<T> {
    /// It.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// A whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    /// The words at the top level.
    pub nodes: Vec<Node>,
}

/// A word with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The word.
    pub name: Spanned<String>,
    /// Values without a name.
    pub arguments: Vec<Argument>,
    /// Values with a name.
    pub properties: Vec<Property>,
    /// What stands in braces.
    pub children: Option<Block>,
    /// From the word to the last part that belongs to it.
    pub span: Span,
}

/// A value without a name.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The value.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// `name=value`.
#[derive(Clone, Debug, PartialEq)]
pub struct Property {
    /// The name.
    pub name: Spanned<String>,
    /// The value.
    pub value: Value,
    /// Where the value stands.
    pub value_span: Span,
    /// Name, sign and value.
    pub span: Span,
}

/// What stands in braces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// The words in it.
    pub nodes: Vec<Node>,
    /// The braces and what is between them.
    pub span: Span,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A plain name: `round-robin`.
    Word(String),
    /// Quoted: `"8.8.8.8"`.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// Any other number.
    Decimal(f64),
    /// `#true` or `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}

impl Value {
    /// The text of a name or a quoted value.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Word(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Node {
    /// The words in its braces.
    pub fn children(&self) -> &[Node] {
        self.children.as_ref().map_or(&[], |block| &block.nodes)
    }

    /// The property of this name; of several the last, which is KDL's rule.
    pub fn property(&self, name: &str) -> Option<&Property> {
        self.properties
            .iter()
            .rev()
            .find(|property| property.name.value == name)
    }
}
