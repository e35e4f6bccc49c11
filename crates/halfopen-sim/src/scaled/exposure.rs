//! Who can still get the worm, by /8 and /16, and at what rates contacts go there.

use super::levels::{Steps, UNIT};
use rand::RngExt;

/// The /16 blocks of a /8.
const GROUPS: usize = 256;

/// Sums of rates, and of products of each block's rate with the hosts left in it. They are whole numbers, so nothing
/// drifts.
#[derive(Debug)]
pub(super) struct Exposure {
    /// The limiters of the hosts, by /16; in each /16 those that are left come first.
    limiters: Vec<u8>,
    /// Of each /16, its first host.
    first: Vec<u32>,
    left: u64,
    left_8: Vec<u32>,
    left_16: Vec<u32>,
    anywhere: i64,
    deliveries: i64,
    same_8: Vec<i64>,
    same_16: Vec<i64>,
    /// The products: of each /8; of each /16; and of all /16 blocks of each /8.
    in_8: Vec<i128>,
    in_16: Vec<i128>,
    in_16_of_8: Vec<i128>,
    in_8_sum: i128,
    in_16_sum: i128,
}

impl Exposure {
    /// With the number of hosts of each /16 and the limiter of each host.
    pub fn new(by_group: impl ExactSizeIterator<Item = u32>, limiters: Vec<u8>) -> Self {
        let left_16: Vec<u32> = by_group.collect();
        let left_8: Vec<u32> = left_16.chunks(GROUPS).map(|block| block.iter().sum()).collect();
        let first = left_16.iter().scan(0, |sum, hosts| {
            let first = *sum;
            *sum += hosts;
            Some(first)
        });
        Self {
            first: first.collect(),
            left: limiters.len() as u64,
            limiters,
            anywhere: 0,
            deliveries: 0,
            same_8: vec![0; left_8.len()],
            same_16: vec![0; left_16.len()],
            in_8: vec![0; left_8.len()],
            in_16: vec![0; left_16.len()],
            in_16_of_8: vec![0; left_8.len()],
            in_8_sum: 0,
            in_16_sum: 0,
            left_8,
            left_16,
        }
    }

    /// How many hosts can still get the worm.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Contacts anywhere in a second.
    pub fn scans(&self) -> f64 {
        self.anywhere as f64 / UNIT
    }

    /// Deliveries to fixed addresses in a second.
    pub fn deliveries(&self) -> f64 {
        self.deliveries as f64 / UNIT
    }

    /// Contacts in a second, times the hosts left where they go; as far as anywhere, the /8 and the /16.
    pub fn pressures(&self) -> [f64; 3] {
        [self.scans() * self.left as f64, self.in_8_sum as f64 / UNIT, self.in_16_sum as f64 / UNIT]
    }

    /// The rates of a host of this /16 change.
    pub fn add(&mut self, group: usize, [anywhere, same_8, same_16, deliveries]: Steps) {
        let block = group / GROUPS;
        self.anywhere += anywhere;
        self.deliveries += deliveries;
        if same_8 != 0 {
            self.same_8[block] += same_8;
            let product = i128::from(same_8) * i128::from(self.left_8[block]);
            self.in_8[block] += product;
            self.in_8_sum += product;
        }
        if same_16 != 0 {
            self.same_16[group] += same_16;
            let product = i128::from(same_16) * i128::from(self.left_16[group]);
            self.in_16[group] += product;
            self.in_16_of_8[block] += product;
            self.in_16_sum += product;
        }
    }

    /// Takes a host of this /16 away, and returns its limiter; `None` if none is left.
    pub fn take(&mut self, group: usize, random: &mut impl RngExt) -> Option<u8> {
        let left = self.left_16[group].checked_sub(1)?;
        let first = self.first[group];
        let (chosen, last) = (first + random.random_range(0..=left), first + left);
        self.limiters.swap(chosen as usize, last as usize);
        let block = group / GROUPS;
        self.left -= 1;
        self.left_16[group] = left;
        self.left_8[block] -= 1;
        let (same_8, same_16) = (i128::from(self.same_8[block]), i128::from(self.same_16[group]));
        self.in_8[block] -= same_8;
        self.in_8_sum -= same_8;
        self.in_16[group] -= same_16;
        self.in_16_of_8[block] -= same_16;
        self.in_16_sum -= same_16;
        self.limiters.get(last as usize).copied()
    }

    /// The /16 of a host that is drawn from all that are left.
    pub fn anywhere(&self, random: &mut impl RngExt) -> Option<usize> {
        let block = weighted(&self.left_8, random)?;
        self.in_block(block, random)
    }

    /// The /16 of a host that a contact within its /8 reaches.
    pub fn by_same_8(&self, random: &mut impl RngExt) -> Option<usize> {
        let block = weighted(&self.in_8, random)?;
        self.in_block(block, random)
    }

    /// The /16 in which a contact within it reaches a host.
    pub fn by_same_16(&self, random: &mut impl RngExt) -> Option<usize> {
        let block = weighted(&self.in_16_of_8, random)?;
        let groups = block * GROUPS;
        let in_block = &self.in_16[groups..self.in_16.len().min(groups + GROUPS)];
        Some(groups + weighted(in_block, random)?)
    }

    fn in_block(&self, block: usize, random: &mut impl RngExt) -> Option<usize> {
        let groups = block * GROUPS;
        let in_block = &self.left_16[groups..self.left_16.len().min(groups + GROUPS)];
        Some(groups + weighted(in_block, random)?)
    }
}

/// Draws a place in proportion to its weight; `None` if all weigh nothing.
fn weighted<T: Copy + Into<i128>>(weights: &[T], random: &mut impl RngExt) -> Option<usize> {
    let sum: i128 = weights.iter().map(|weight| (*weight).into()).sum();
    if sum <= 0 {
        return None;
    }
    let mut drawn = random.random_range(0..sum);
    weights.iter().position(|weight| {
        drawn -= (*weight).into();
        drawn < 0
    })
}
