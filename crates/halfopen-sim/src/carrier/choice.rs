//! Which address a worm dials next.

use crate::scenario::{Reach, Worm};
use crate::space::Space;
use rand::RngExt;
use std::ops::Range;

#[derive(Debug, Default)]
pub(super) struct Choice {
    address: u32,
    /// The next address of a worm that goes through them one by one, and how it began.
    next: Option<(u32, Reach)>,
    /// Vulnerable hosts that it knows.
    list: Range<u32>,
}

impl Choice {
    pub fn new(worm: &Worm, space: &Space, address: u32, list: Range<u32>, random: &mut impl RngExt) -> Self {
        let mut choice = Self { address, next: None, list };
        if worm.targets.sequential {
            choice.next = Some(choice.at_random(worm, space, random));
        }
        choice
    }

    /// An address, and how far it was drawn; not drawn: a fixed address.
    pub fn next(&mut self, worm: &Worm, space: &Space, random: &mut impl RngExt) -> (u32, Option<Reach>) {
        if let Some(host) = self.list.next() {
            return (space.address(host), Some(Reach::Anywhere));
        }
        if let Some(fixed) = worm.targets.fixed {
            return (random.random_range(0..fixed.get()) as u32, None);
        }
        if let Some((next, reach)) = &mut self.next {
            let now = *next;
            *next = space.after(now);
            return (now, Some(*reach));
        }
        let (address, reach) = self.at_random(worm, space, random);
        (address, Some(reach))
    }

    fn at_random(&self, worm: &Worm, space: &Space, random: &mut impl RngExt) -> (u32, Reach) {
        let [anywhere, same_8, _] = worm.targets.shares();
        let drawn: f64 = random.random();
        let reach = if drawn < anywhere {
            Reach::Anywhere
        } else if drawn < anywhere + same_8 {
            Reach::Same8
        } else {
            Reach::Same16
        };
        (space.target(self.address, reach, random.random()), reach)
    }

    /// The second half of what is left of the list.
    pub fn share_list(&mut self) -> Range<u32> {
        let middle = self.list.start + (self.list.end - self.list.start) / 2;
        let given = middle..self.list.end;
        self.list.end = middle;
        given
    }
}
