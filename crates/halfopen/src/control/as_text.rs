//! Values that JSON has as text, in the form in which people write them.

/// Has serde write such a type by its `Display` and read it by its `FromStr`, as `into` and `try_from` of `String`.
macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = <$type as std::str::FromStr>::Err;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
    )*};
}
pub(super) use as_text;
