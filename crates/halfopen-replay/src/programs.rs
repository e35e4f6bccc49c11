//! The programs of recordings that know them, each once, whatever numbers the recordings give them.

use crate::observation::ProgramNumber;
use crate::trace::Program;
use std::collections::HashMap;
use std::sync::Arc;

/// What their names may need, in bytes.
const ROOM: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Programs {
    all: Vec<Arc<Program>>,
    numbers: HashMap<Arc<Program>, ProgramNumber>,
    used: usize,
}

impl Programs {
    /// Its number; `None` if there is no room for one more.
    pub fn number(&mut self, program: &Program) -> Option<ProgramNumber> {
        if let Some(number) = self.numbers.get(program) {
            return Some(*number);
        }
        let Program { name, cgroup, runs_in, .. } = program;
        let needs = 3 * size_of::<Program>() + name.len() + cgroup.len() + runs_in.len();
        if self.used + needs > ROOM {
            return None;
        }
        self.used += needs;
        let number = ProgramNumber(self.all.len() as u32);
        let program = Arc::new(program.clone());
        self.all.push(Arc::clone(&program));
        self.numbers.insert(program, number);
        Some(number)
    }

    pub fn get(&self, number: ProgramNumber) -> Option<&Program> {
        self.all.get(number.0 as usize).map(Arc::as_ref)
    }
}
