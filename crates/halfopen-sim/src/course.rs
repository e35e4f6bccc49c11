//! What comes of one run.

/// The course of an outbreak, by the vulnerable hosts that scans can reach.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// When each share of [`levels`] had been infected, in seconds; infinite if never.
    pub reached: Vec<f64>,
    /// How many hosts had the worm at some time.
    pub ever: usize,
    /// The most that had it at a time.
    pub peak: usize,
    /// How many had it at the end.
    pub at_end: usize,
}

/// The shares at which a course is noted: 0.1 %, each percent, and all.
#[must_use]
pub fn levels() -> impl ExactSizeIterator<Item = f64> {
    (0..=100).map(|percent: u16| if percent == 0 { 0.001 } else { f64::from(percent) / 100.0 })
}

/// The number of a share in [`Course::reached`]; `percent`: 1 to 100.
#[must_use]
pub fn level(percent: usize) -> usize {
    percent.clamp(1, 100)
}

impl Course {
    /// When this share had been infected, in seconds; infinite if never. `percent`: 1 to 100.
    #[must_use]
    pub fn when(&self, percent: usize) -> f64 {
        self.reached.get(level(percent)).copied().unwrap_or(f64::INFINITY)
    }
}

/// Notes a course as it comes.
#[derive(Debug)]
pub(crate) struct Recorder {
    thresholds: Vec<usize>,
    course: Course,
}

impl Recorder {
    pub fn new(hosts: usize) -> Self {
        #[allow(clippy::cast_sign_loss, reason = "a share of a count")]
        let thresholds = levels().map(|level| ((level * hosts as f64).ceil() as usize).max(1)).collect();
        Self { thresholds, course: Course { reached: Vec::new(), ever: 0, peak: 0, at_end: 0 } }
    }

    /// One more has the worm from `at` on, in seconds.
    pub fn infected(&mut self, at: f64) {
        let course = &mut self.course;
        course.ever += 1;
        course.at_end += 1;
        course.peak = course.peak.max(course.at_end);
        while self.thresholds.get(course.reached.len()).is_some_and(|threshold| course.ever >= *threshold) {
            course.reached.push(at);
        }
    }

    /// One less has it.
    pub fn cleaned(&mut self) {
        self.course.at_end -= 1;
    }

    pub fn course(mut self) -> Course {
        self.course.reached.resize(self.thresholds.len(), f64::INFINITY);
        self.course
    }
}
