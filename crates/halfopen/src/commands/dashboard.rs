//! `dashboard`: a way in.

use super::ask;
use crate::control::status::span;
use crate::control::{Answer, Request};
use crate::output;
use anyhow::Result;

pub fn dashboard() -> Result<()> {
    match ask(&Request::Dashboard)? {
        (_, Answer::Dashboard { address, good_for_s }) => {
            output::error_line(&format!("halfopen: good once, and for {}:", span(good_for_s)));
            output::line(&address)
        }
        (client, other) => Err(client.unexpected(&other).into()),
    }
}
