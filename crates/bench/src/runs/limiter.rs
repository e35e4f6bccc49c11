use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;
use testkit::{Lab, LabError, Limiter as Program, WORLD_V4};

use crate::runs::RunError;

/// The limiter that is none.
pub const NONE: &str = "none";

/// What a workload is carried out with.
pub trait Limiter {
    /// What to ask for it by.
    fn name(&self) -> &str;

    /// Puts it in force on the dialers of a lab.
    ///
    /// # Errors
    /// When it does not start, or the kernel refuses its rules.
    fn put_into(&self, lab: &Lab) -> Result<Box<dyn InForce>, RunError>;
}

/// A limiter in force. It ends with its lab at the latest.
pub trait InForce {
    /// What it says of itself; null if nothing.
    ///
    /// # Errors
    /// When it does not answer.
    fn status(&self) -> Result<Value, RunError>;

    /// Its processes: what they do is part of its cost.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// Takes it out of the lab.
    ///
    /// # Errors
    /// When it does not end.
    fn take_out(self: Box<Self>, lab: &Lab) -> Result<(), RunError>;
}

/// `halfopen` with one of its presets, or [`NONE`]: no limiter at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preset(pub String);

impl Limiter for Preset {
    fn name(&self) -> &str {
        &self.0
    }

    fn put_into(&self, lab: &Lab) -> Result<Box<dyn InForce>, RunError> {
        if self.0 == NONE {
            return Ok(Box::new(Nothing));
        }
        // The lab has a name server of its own; which one the host has is nothing to it.
        let program = Program::builder(lab).set("preset", &self.0).set("resolvers", WORLD_V4);
        Ok(Box::new(Halfopen(program.start()?)))
    }
}

/// `halfopen` with this configuration.
///
/// # Errors
/// When it does not start, for example because it does not know a key.
pub(crate) fn configured(lab: &Lab, configuration: &str) -> Result<Box<dyn InForce>, RunError> {
    let failed =
        |error| LabError::Io { what: "write the configuration of halfopen".to_owned(), source: error };
    let mut file = NamedTempFile::new().map_err(failed)?;
    file.write_all(configuration.as_bytes()).map_err(failed)?;
    Ok(Box::new(Halfopen(Program::builder(lab).config(file.path()).start()?)))
}

struct Nothing;

impl InForce for Nothing {
    fn status(&self) -> Result<Value, RunError> {
        Ok(Value::Null)
    }

    fn take_out(self: Box<Self>, _: &Lab) -> Result<(), RunError> {
        Ok(())
    }
}

struct Halfopen(Program);

impl InForce for Halfopen {
    fn status(&self) -> Result<Value, RunError> {
        let failed = |what: String| RunError::Limiter { limiter: "halfopen".to_owned(), what };
        let output = self.0.command().args(["status", "--json"]).output();
        let output = output.map_err(|error| failed(format!("cannot ask for its status: {error}")))?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| failed(format!("its status cannot be read: {error}")))
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.0.pid()]
    }

    fn take_out(self: Box<Self>, _: &Lab) -> Result<(), RunError> {
        self.0.stop()?;
        Ok(())
    }
}
