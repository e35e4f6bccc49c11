//! What a user may have meant by a name that does not exist.

/// The known name most like `given`, if any is alike at all.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (name, strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase())))
        .filter(|(_, likeness)| *likeness > 0.75)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

/// The known names most like `given`, at most `most`, the nearest first. A part of a name that is given counts as like
/// it.
#[must_use]
pub fn alike<'a>(given: &str, known: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let given = given.to_lowercase();
    let likeness = |name: &str| {
        let name = name.to_lowercase();
        let inside = name.split_once('[').map_or(name.as_str(), |(_, inside)| inside.trim_end_matches(']'));
        if !given.is_empty() && name.contains(&given) {
            return 1.0;
        }
        strsim::jaro_winkler(&given, &name).max(strsim::jaro_winkler(&given, inside))
    };
    let mut alike: Vec<(&str, f64)> = known.into_iter().map(|name| (name, likeness(name))).collect();
    alike.retain(|(_, likeness)| *likeness > 0.75);
    alike.sort_by(|a, b| b.1.total_cmp(&a.1));
    alike.truncate(most);
    alike.into_iter().map(|(name, _)| name).collect()
}

/// What replaces a key of earlier versions.
#[must_use]
pub fn replaced(given: &str) -> Option<String> {
    let new = match given {
        "reward" => {
            "answers_of_a_scan and answers_of_peers now determine what an answer earns: set those, such as \"2%\" and \
             \"10%\"; for reward = 0, set answers_of_a_scan = \"off\""
        }
        "recover" => "set credit_rate, such as \"2/s\", instead of recover = \"500ms\"",
        "recover_most" => {
            "remove it: credit_rate halves with every twelve first contacts that meet silence, down to 1/512s"
        }
        "poke" => "it is now called wakeups",
        "essential" => "it is now called never_hold; its rules stay the same",
        _ => return None,
    };
    Some(new.to_owned())
}

/// The hint for `given`: what replaces it, or else the nearest of `known`.
pub fn meant<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    replaced(given).or_else(|| nearest(given, known).map(did_you_mean))
}

/// The hint that goes with [`nearest`].
#[must_use]
pub fn did_you_mean(name: &str) -> String {
    format!("did you mean {name}?")
}
