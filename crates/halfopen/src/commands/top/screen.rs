//! What is on the screen, whatever draws it.

use super::accounts::{Rates, Row, SortBy, chosen};
use super::daemon::Look;
use super::order::Order;
use crate::control::{AccountName, Inspection, Status};
use std::time::Instant;

/// What is on the screen.
#[derive(Debug)]
pub struct Screen {
    /// The last numbers; `None` before there are any.
    pub status: Option<Status>,
    /// Why there are no newer numbers; `None` if they are those of the last look.
    pub stale: Option<String>,
    /// The rows of the list.
    pub rows: Vec<Row>,
    rates: Rates,
    /// The order of the list.
    pub sort: SortBy,
    /// What names in the list must contain.
    pub filter: String,
    /// The name of the selected row: it stays selected when the order changes.
    selected: Option<String>,
    /// The account whose page is shown; `None` = the list is.
    pub page: Option<Page>,
    /// What keys go to.
    pub dialog: Dialog,
    /// What became of the last order.
    pub told: Option<String>,
    /// Whether there may be colours.
    pub coloured: bool,
}

/// The page of an account.
#[derive(Debug)]
pub struct Page {
    /// The account.
    pub name: String,
    /// What is known of it; `None` until an answer is there, and if it is gone.
    pub inspection: Option<Inspection>,
    /// How many lines are scrolled away.
    pub scrolled: u16,
}

/// What keys go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialog {
    /// The list or the page.
    None,
    /// The filter.
    Filter,
    /// A new value of a limit.
    Limit {
        /// The key.
        key: String,
        /// Its value now.
        was: String,
        /// What has been typed.
        typed: String,
    },
    /// An order, before it is carried out.
    Confirm(Order),
    /// The keys.
    Help,
}

/// What a key asks of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Nothing else.
    None,
    /// Newer numbers.
    Look,
    /// An order to be carried out.
    Carry(Order),
    /// The end.
    End,
}

impl Screen {
    /// A list without rows.
    pub fn new(coloured: bool) -> Self {
        Self {
            status: None,
            stale: None,
            rows: Vec::new(),
            rates: Rates::default(),
            sort: SortBy::default(),
            filter: String::new(),
            selected: None,
            page: None,
            dialog: Dialog::None,
            told: None,
            coloured,
        }
    }

    /// Takes in what the daemon answered. Without an answer, the last numbers stay on the screen.
    pub fn looked(&mut self, now: Instant, looked: Result<Look, String>) {
        match looked {
            Ok((status, inspection)) => {
                self.rows = self.rates.rows(now, &status);
                let is_other = self.status.as_ref().is_some_and(|before| before.pid != status.pid);
                if is_other && status.unwatched.is_none() {
                    self.told = Some(format!("another daemon answers now (pid {})", status.pid));
                }
                self.stale = status.unwatched.as_ref().map(|unwatched| unwatched.explanation.clone());
                self.status = Some(status);
                if let Some(page) = &mut self.page {
                    // An answer about the page before comes late.
                    page.inspection = inspection.filter(|found| found.subject == page.name);
                }
            }
            Err(why) => self.stale = Some(why),
        }
    }

    /// The account to ask about.
    pub fn inspected(&self) -> Option<AccountName> {
        self.page.as_ref()?.name.parse().ok()
    }

    /// The rows that are shown, in their order.
    pub fn shown(&self) -> Vec<&Row> {
        chosen(&self.rows, &self.filter, self.sort)
    }

    /// Which of those is selected.
    pub fn selected(&self) -> usize {
        let at = |name: &String| self.shown().iter().position(|row| row.status.name == *name);
        self.selected.as_ref().and_then(at).unwrap_or_default()
    }

    /// The selected row, or that of the page; `None` if there is no such row any more.
    pub fn current(&self) -> Option<&Row> {
        match &self.page {
            Some(page) => self.rows.iter().find(|row| row.status.name == page.name),
            None => self.shown().get(self.selected()).copied(),
        }
    }

    /// Selects another row, or scrolls the page.
    pub fn go(&mut self, by: isize) {
        if let Some(page) = &mut self.page {
            page.scrolled = page.scrolled.saturating_add_signed(by.clamp(-99, 99) as i16);
            return;
        }
        let shown = self.shown();
        let to = self.selected().saturating_add_signed(by).min(shown.len().saturating_sub(1));
        self.selected = shown.get(to).map(|row| row.status.name.clone());
    }

    /// Shows the page of the selected row.
    pub fn open(&mut self) {
        if let Some(row) = self.current() {
            self.page = Some(Page { name: row.status.name.clone(), inspection: None, scrolled: 0 });
        }
    }
}
