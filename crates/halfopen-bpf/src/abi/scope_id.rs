/// A scope's place in the kernel's table; the host's is [`ScopeId::HOST`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeId(pub(crate) u32);

impl ScopeId {
    /// The scope that every attempt is charged to.
    pub const HOST: Self = Self(0);

    /// Its number in the kernel's table; the host's is 0.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The scope of that number.
    #[must_use]
    pub fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// The scope of that number, where it is not the host's.
    pub(crate) fn own(number: u32) -> Option<Self> {
        (number != 0).then_some(Self(number))
    }
}
