//! The screen as it is drawn, and what keys do to it.

use super::draw::draw;
use super::keys::pressed;
use super::order::Order;
use super::screen::{Dialog, Screen, Wish};
use crate::control::{Inspection, ModeStatus, ScopeKind, ScopeStatus, Status, TrustStatus};
use crate::runs_in::RunsIn;
use crate::utc_time::UtcTime;
use halfopen_policy::{Ledger, Limits};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use std::time::{Duration, Instant};

fn scope(name: &str, kind: ScopeKind, waiting: u64, half_open: u64, admitted: u64) -> ScopeStatus {
    let ledger = Ledger { queued: waiting, half_open, admitted, ..Ledger::default() };
    ScopeStatus::new(name, kind, &Limits::xp_sp2(), &ledger)
}

fn status(scopes: Vec<ScopeStatus>) -> Status {
    Status {
        scopes,
        accounts_unlisted: 3,
        counting_for_s: 7,
        ..Status::of_host(scope("host", ScopeKind::Host, 12, 10, 100))
    }
}

fn accounts(begun: u64) -> Vec<ScopeStatus> {
    let suspect = TrustStatus { suspect_since: Some(UtcTime::EPOCH), ..TrustStatus::default() };
    let web = scope("each[/system.slice/web.service]", ScopeKind::Account, 2, 1, begun);
    let scan = scope("each[/system.slice/scan\u{1b}[2J.service]", ScopeKind::Account, 10, 9, 90);
    let pod = scope("each[/kubepods/pod0]", ScopeKind::Account, 0, 4, 3);
    let mut runs_in = RunsIn::of_path("/lxc.payload.shop");
    runs_in.container.as_mut().unwrap().image = Some("i".repeat(10_000));
    vec![web, ScopeStatus { trust: suspect, ..scan }, ScopeStatus { runs_in, ..pod }]
}

/// A second after it has begun.
fn screen(coloured: bool) -> Screen {
    let (mut screen, began) = (Screen::new(coloured), Instant::now());
    screen.looked(began, Ok((status(accounts(30)), None)));
    screen.looked(began + Duration::from_secs(1), Ok((status(accounts(35)), None)));
    screen
}

fn drawn(screen: &Screen) -> (String, Vec<Color>) {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| draw(frame, screen)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row: u16| (0..80).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    let lines: Vec<String> = (0..24).map(|row| line(row).trim_end().to_owned()).collect();
    let colours = buffer.content().iter().flat_map(|cell| [cell.fg, cell.bg]);
    (lines.join("\n"), colours.filter(|colour| *colour != Color::Reset).collect())
}

fn press(screen: &mut Screen, keys: &str) -> Wish {
    let mut wish = Wish::None;
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            letter => KeyCode::Char(letter),
        };
        wish = pressed(screen, KeyEvent::new(code, KeyModifiers::NONE));
    }
    wish
}

#[test]
fn the_list_fits_80_columns_and_escapes_what_others_chose() {
    let (text, colours) = drawn(&screen(false));
    let expected = r"halfopen: mode enforce, preset xp-sp2, suspects: 1
sorted by waiting, 3 more accounts not listed
WAITING HALF-OPEN   LIMIT  RATE/S STATE   ACCOUNT
     12        10      10     0.0         host
     10         9      10     0.0 suspect each[/system.slic...an\x1b[2J.service]
      2         1      10     5.0         each[/system.slice/web.service]
      0         4      10     0.0         container shop
";
    assert_eq!(text.lines().take(7).collect::<Vec<_>>(), expected.lines().collect::<Vec<_>>());
    assert!(!text.contains('\u{1b}'));
    assert!(text.lines().last().unwrap().starts_with("? help"), "{text}");
    assert!(colours.is_empty(), "NO_COLOR");
    assert!(drawn(&screen(true)).1.contains(&Color::Red));
}

#[test]
fn keys_sort_filter_and_move_and_the_selection_stays_with_its_account() {
    let mut screen = screen(false);
    let names = |screen: &Screen| -> Vec<String> { screen.shown().iter().map(|row| row.label()).collect() };
    press(&mut screen, "jj");
    assert_eq!(screen.current().unwrap().label(), "each[/system.slice/web.service]");
    press(&mut screen, "s");
    assert!(names(&screen)[2] == "container shop" && screen.sort.name() == "half-open");
    assert_eq!(screen.current().unwrap().label(), "each[/system.slice/web.service]");
    press(&mut screen, "ss");
    assert_eq!((names(&screen)[1].as_str(), screen.sort.name()), ("each[/system.slice/web.service]", "rate"));
    press(&mut screen, "/SHOP\n");
    assert_eq!(names(&screen).len(), 1);
    assert!(drawn(&screen).0.contains("only with \"SHOP\""));
    press(&mut screen, "/\u{1b}");
    assert_eq!((names(&screen).len(), press(&mut screen, "q")), (4, Wish::End));
}

#[test]
fn nothing_is_done_before_it_is_confirmed() {
    let mut screen = screen(false);
    press(&mut screen, "b");
    assert_eq!(screen.dialog, Dialog::None, "the host cannot be blocked");
    press(&mut screen, "jb");
    let (text, _) = drawn(&screen);
    assert!(text.contains(r"Block each[/system.slice/scan\x1b[2J.service] for 1 hour?"), "{text}");
    assert!(text.contains("fail at once with EPERM") && text.contains("y: yes    n, Esc: no"), "{text}");
    assert_eq!(press(&mut screen, "x\nq"), Wish::None, "only y does it");
    assert_eq!(press(&mut screen, "n"), Wish::None);
    assert_eq!(screen.dialog, Dialog::None);
    let name = screen.current().unwrap().status.name.parse().unwrap();
    assert_eq!(press(&mut screen, "ry"), Wish::Carry(Order::Release(name)));

    assert_eq!(press(&mut screen, "l50\n"), Wish::None);
    let (text, _) = drawn(&screen);
    assert!(text.contains("Set scope.each.half_open = 50 (now 10)?"), "{text}");
    assert!(text.contains("each and each of its accounts"), "{text}");
    let (key, was, value) = ("scope.each.half_open".to_owned(), "10".to_owned(), "50".to_owned());
    assert_eq!(press(&mut screen, "y"), Wish::Carry(Order::Limit { key, was, value }));
    assert_eq!(press(&mut screen, "l\n"), Wish::None);
    assert_eq!(screen.dialog, Dialog::None, "no value, no change");
}

#[test]
fn a_daemon_that_is_gone_leaves_its_numbers_and_another_one_is_told() {
    let mut screen = screen(false);
    screen.looked(Instant::now(), Err("no daemon is running here".into()));
    let (text, _) = drawn(&screen);
    assert!(
        text.starts_with("OLD NUMBERS: no daemon is running here") && text.contains("web.service"),
        "{text}"
    );
    screen.looked(Instant::now(), Ok((Status { pid: 2, ..status(accounts(1)) }, None)));
    let (text, _) = drawn(&screen);
    assert!(
        text.starts_with("halfopen: mode enforce") && text.contains("another daemon answers now (pid 2)"),
        "{text}"
    );
}

#[test]
fn a_page_without_an_answer_says_so_and_help_lists_the_keys() {
    let mut screen = screen(false);
    assert_eq!(press(&mut screen, "j\n"), Wish::Look);
    assert!(screen.inspected().is_some() && drawn(&screen).0.contains("(asking the daemon)"));
    let other = Inspection {
        subject: "each[/another]".into(),
        mode: ModeStatus::Enforce,
        counting_since: UtcTime::EPOCH,
        counting_for_s: 1,
        note: None,
        process: None,
        named: None,
        accounts: vec![],
        more_accounts: 0,
        accounts_of_scope: vec![],
    };
    screen.looked(Instant::now(), Ok((status(accounts(1)), Some(other))));
    assert!(drawn(&screen).0.contains("(asking the daemon)"), "that was the answer about another account");
    screen.looked(Instant::now(), Ok((status(vec![]), None)));
    assert!(drawn(&screen).0.contains("It is gone"));
    press(&mut screen, "\u{1b}?");
    let (text, _) = drawn(&screen);
    assert!(
        text.contains("release it: no longer a suspect") && text.contains("block it for an hour"),
        "{text}"
    );
}
