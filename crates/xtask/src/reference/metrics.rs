//! The metrics, from the table that the program writes them by.

use super::{table, title};
use halfopen::metrics::FAMILIES;

pub fn page() -> String {
    let mut page = title("Metrics");
    page += "What `/metrics` has once [`metrics.listen`](configuration.md#metrics) is set; [metrics.md](../use/metrics.md) \
             says how to use it.\n\n";
    page += "The scope `host` counts all attempts. The other scopes count theirs again, so add up the accounts of one \
             scope only. `account` is empty for the scope itself; `other` sums up those that have no metrics of their \
             own.\n\n";
    let rows = FAMILIES.iter().map(|family| {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let kind = family.kind.word().to_owned();
        [format!("`{}`", family.sample_name()), kind, labels.join(", "), family.help()]
    });
    page += &table(["metric", "type", "labels", "meaning"], rows);
    format!("{}\n", page.trim_end())
}
