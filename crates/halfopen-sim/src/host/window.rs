//! Entries with numbers that count up, most of which do not live long.

use std::collections::VecDeque;

#[derive(Debug)]
pub(crate) struct Window<T> {
    /// The number of the first entry.
    first: u64,
    entries: VecDeque<Option<T>>,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { first: 0, entries: VecDeque::new() }
    }
}

impl<T> Window<T> {
    pub(crate) fn push(&mut self, entry: T) -> u64 {
        self.entries.push_back(Some(entry));
        self.first + self.entries.len() as u64 - 1
    }

    /// A number without an entry.
    pub(crate) fn skip(&mut self) -> u64 {
        self.entries.push_back(None);
        let number = self.first + self.entries.len() as u64 - 1;
        self.close();
        number
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let at = number.checked_sub(self.first)?;
        self.entries.get_mut(at as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<T> {
        let at = number.checked_sub(self.first)?;
        let entry = self.entries.get_mut(at as usize)?.take();
        self.close();
        entry
    }

    fn close(&mut self) {
        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.first += 1;
        }
    }
}
