use testkit::LabError;

/// Why a workload could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A part of the lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// Live hosts that a dialer is to know could not be met before time zero.
    #[error("only {met} of {of} live hosts could be met with the limiter {limiter} in force")]
    NotMet {
        /// How many were.
        met: usize,
        /// How many were to be.
        of: usize,
        /// The limiter's name.
        limiter: String,
    },
    /// It dials addresses that are not the lab's.
    #[error(
        "workload {workload} is carried out on a virtual clock only: the lab does not have its addresses"
    )]
    NotOfTheLab {
        /// The workload's name.
        workload: String,
    },
    /// Names of addresses were asked for before time zero, and not all answered.
    #[error("not all addresses could be named: {said}")]
    NotNamed {
        /// What the program that asked said.
        said: String,
    },
    /// A limiter could not be put into a lab, asked or taken out.
    #[error("the limiter {limiter}: {what}")]
    Limiter {
        /// Its name.
        limiter: String,
        /// What was tried, and what came of it.
        what: String,
    },
    /// The wall clock is set before 1970.
    #[error("cannot read the clock: {0}; set it")]
    Clock(#[from] std::time::SystemTimeError),
}
