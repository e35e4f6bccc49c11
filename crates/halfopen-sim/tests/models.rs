//! The engines against models that were published.

#![allow(clippy::unwrap_used)]

use halfopen_sim::validation::{Comparison, local_preference, random_scanner, two_factor};

fn assert_agreement(comparison: &Comparison) {
    assert!(!comparison.numbers.is_empty());
    for number in &comparison.numbers {
        assert!(number.off_percent() <= 1.0, "{}: {number:?}", comparison.title);
    }
}

#[test]
fn a_random_scanner_follows_the_logistic_curve() {
    assert_agreement(&random_scanner(10).unwrap());
}

#[test]
fn a_worm_with_local_preference_follows_aawp() {
    assert_agreement(&local_preference(6).unwrap());
}

#[test]
fn code_red_follows_the_two_factor_model() {
    let comparison = two_factor(4).unwrap();
    assert_agreement(&comparison);
    assert!(comparison.numbers[0].theirs < 0.9, "nothing is tested otherwise: {comparison:?}");
}
