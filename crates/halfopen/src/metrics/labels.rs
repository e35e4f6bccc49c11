//! The labels of a sample, with their values escaped: the library writes values as they are.

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelEncoder, LabelSetEncoder};
use std::fmt::{Error, Write};

#[derive(Debug)]
pub(super) struct Escaped<'a>(pub Vec<(&'static str, &'a str)>);

impl EncodeLabelSet for Escaped<'_> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|(name, value)| Label { name, value }.encode(encoder.encode_label()))
    }
}

struct Label<'a> {
    name: &'static str,
    value: &'a str,
}

impl EncodeLabel for Label<'_> {
    fn encode(&self, mut encoder: LabelEncoder<'_>) -> Result<(), Error> {
        let mut name = encoder.encode_label_key()?;
        name.write_str(self.name)?;
        let mut value = name.encode_label_value()?;
        for c in self.value.chars() {
            match c {
                '\\' => value.write_str("\\\\")?,
                '"' => value.write_str("\\\"")?,
                '\n' => value.write_str("\\n")?,
                c => value.write_char(c)?,
            }
        }
        value.finish()
    }
}
