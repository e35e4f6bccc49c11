//! What `replay --advise` says for people.

use super::columns::fitted;
use crate::events::text::plain;
use halfopen_replay::{LimitReplayed, ReplayAdvice};

pub fn text(advice: &ReplayAdvice) -> String {
    let ReplayAdvice { policy, half_open_now, answered, suspects, held_anyway, limits, recommended } = advice;
    let now = half_open_now.map_or("unlimited".to_owned(), |limit| limit.to_string());
    let mut lines =
        vec![format!("\nhost: half_open {now} in {}, {answered} answered attempts", plain(policy))];
    lines.extend(limits.iter().map(|limit| line(*limit, *answered)));
    if *held_anyway > 0 {
        lines.push(format!(
            "Whatever half_open is, the policy's other limits hold or refuse {held_anyway} of them."
        ));
    }
    if *suspects > 0 {
        lines.push(format!("Left out: {suspects} suspects."));
    }
    lines.push(match (recommended, limits.iter().find(|limit| limit.delayed_per_mille == 1)) {
        (Some(limit), _) => format!("Recommended: half_open {limit}. Next: halfopen set --save host.half_open {limit}"),
        (None, Some(limit)) if Some(limit.half_open) == *half_open_now => {
            "Recommended: leave it as it is.".to_owned()
        }
        (None, None) => "No recommendation: every limit that was tried would have delayed more.".to_owned(),
        (None, Some(_)) => "No recommendation: that needs 1000 answered attempts in a recording of a day. Record for longer: \
                            halfopen record --for 24h"
            .to_owned(),
    });
    fitted(&lines.join("\n"))
}

fn line(limit: LimitReplayed, answered: u64) -> String {
    let share = match limit.delayed_per_mille {
        0 => "none".to_owned(),
        share => format!("at most {}.{} %", share / 10, share % 10),
    };
    format!(
        "half_open {}: would have delayed {share} of the answered ({} of {answered})",
        limit.half_open, limit.delayed
    )
}
