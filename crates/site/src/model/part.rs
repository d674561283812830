//! How a part of the model is declared: private fields, one accessor for each, and the place in the file.
//!
//! Only the resolver fills the fields in, so a part that exists is a good one. The word before a field says
//! what its accessor gives: `copy` the value, `one` a reference, `maybe` a reference if there is one, `list`
//! a slice.

macro_rules! part {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $kind:ident $field:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $(pub(crate) $field: part!(@held $kind $type),)*
            pub(crate) origin: $crate::model::Origin,
        }

        impl $name {
            $(part!(@accessor [$($doc)*] $kind $field: $type);)*

            /// Where it stands in the file.
            pub fn origin(&self) -> $crate::model::Origin {
                self.origin
            }
        }
    };
    (@held copy $type:ty) => { $type };
    (@held one $type:ty) => { $type };
    (@held maybe $type:ty) => { Option<$type> };
    (@held list $type:ty) => { Vec<$type> };
    (@accessor [$($doc:meta)*] copy $field:ident: $type:ty) => {
        $(#[$doc])*
        pub fn $field(&self) -> $type { self.$field }
    };
    (@accessor [$($doc:meta)*] one $field:ident: $type:ty) => {
        $(#[$doc])*
        pub fn $field(&self) -> &$type { &self.$field }
    };
    (@accessor [$($doc:meta)*] maybe $field:ident: $type:ty) => {
        $(#[$doc])*
        pub fn $field(&self) -> Option<&$type> { self.$field.as_ref() }
    };
    (@accessor [$($doc:meta)*] list $field:ident: $type:ty) => {
        $(#[$doc])*
        pub fn $field(&self) -> &[$type] { &self.$field }
    };
}

pub(crate) use part;
