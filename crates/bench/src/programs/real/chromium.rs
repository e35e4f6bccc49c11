//! Chromium loads a page.

use testkit::page::{Page, RESOURCES};

use crate::programs::condition::LIMIT;
use crate::programs::program::{Outcome, Program, Task};

pub const PAGE: Program = Program {
    name: "chromium",
    asked: "Load a page of 60 resources on 30 names, 6 of which have an IPv6 address too; the time is the page's own, without the browser's start",
    unit: "resources",
    wan: true,
    prepare: |lab| {
        let page = Page::serve(lab)?;
        let targets = page.addresses().iter().map(|record| record.address).collect();
        let go = move |cgroup: &_| {
            let loaded = page.load(lab, cgroup, LIMIT)?;
            let errors =
                if loaded.failed > 0 { vec![format!("{} failed", loaded.failed)] } else { Vec::new() };
            Ok(Outcome {
                time: loaded.load.unwrap_or(loaded.wall),
                in_time: loaded.load.is_some(),
                got: loaded.resources,
                of: RESOURCES,
                errors,
            })
        };
        Ok(Task { go: Box::new(go), targets })
    },
};
