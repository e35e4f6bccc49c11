use crate::peers::peer::{Means, Peer};

pub const PEER: Peer =
    Peer { id: "none", says: "No limit.", rules: None, means: Means::Nothing, limits: &[] };
