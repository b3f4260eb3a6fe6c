//! Enums of words that Azure may extend.

/// Defines an enum whose text is read in any case, and which keeps an unknown text.
macro_rules! open_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(
            Debug,
            Clone,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            serde::Deserialize,
            strum::Display,
            strum::EnumString,
        )]
        #[serde(from = "String")]
        #[strum(ascii_case_insensitive)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// A word that this version does not know, as Azure sent it.
            #[strum(default, to_string = "{0}")]
            Unknown(String),
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                text.parse().unwrap_or(Self::Unknown(text))
            }
        }
    };
}

pub(super) use open_enum;
