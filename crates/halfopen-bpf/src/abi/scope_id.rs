/// A scope's number in the kernel's table; the host's is [`ScopeId::HOST`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);

    /// Its number in the kernel's table; the host's is 0.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The scope with this number, below 128.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// The scope with this number; `None` for the host's.
    pub(crate) fn own(number: u32) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }
}
