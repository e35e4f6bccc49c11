//! Draws the screen. Everything that a program or an author of images chose is escaped before it gets here.

use super::account_page;
use super::accounts::Row;
use super::keys;
use super::screen::{Dialog, Screen};
use crate::commands::columns::shortened;
use crate::control::Status;
use crate::events::text::plain;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Cell, Clear, Paragraph, Row as TableRow, Table, TableState, Wrap};

/// The columns of the list before the names.
const NUMBERS: [u16; 5] = [7, 9, 7, 7, 7];
const KEYS: &str = "? help  / filter  s sort  Enter look  r release  b block  l limit  q quit";
const KEYS_OF_PAGE: &str = "? help  Esc back  Up, Down scroll  r release  b block  l limit  q quit";
/// The columns of a dialog.
const DIALOG: u16 = 76;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, screen: &Screen) {
    let [head, body, told, foot] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(heading(screen)), head);
    match &screen.page {
        Some(page) => account_page::draw(frame, body, screen, page),
        None => list(frame, body, screen),
    }
    let width = usize::from(told.width);
    let message = shortened(&plain(screen.told.as_deref().unwrap_or_default()), width);
    frame.render_widget(Line::from(message), told);
    let keys = match (&screen.dialog, &screen.page) {
        (Dialog::Filter, _) => format!("/{}_  Enter: show these; Esc: show all", plain(&screen.filter)),
        (_, Some(_)) => KEYS_OF_PAGE.to_owned(),
        (_, None) => KEYS.to_owned(),
    };
    frame.render_widget(Line::from(keys).style(Modifier::REVERSED), foot);
    dialog(frame, screen);
}

fn heading(screen: &Screen) -> Vec<Line<'static>> {
    let Some(status) = &screen.status else { return Vec::new() };
    let first = match &screen.stale {
        // What is on the screen is old, or comes from the pins.
        Some(why) => Line::from(format!("OLD NUMBERS: {}", first_line(why))).style(Modifier::BOLD),
        None => Line::from(format!("halfopen: {}", summary(status))),
    };
    let sorted = format!("sorted by {}", screen.sort.name());
    let filter = plain(&screen.filter);
    let filtered = if filter.is_empty() { String::new() } else { format!(", only with {filter:?}") };
    let unlisted = match status.accounts_unlisted {
        0 => String::new(),
        more => format!(", {more} more accounts not listed"),
    };
    vec![first, Line::from(format!("{sorted}{filtered}{unlisted}"))]
}

fn summary(status: &Status) -> String {
    let all = std::iter::once(&status.host).chain(&status.scopes);
    let suspects = all.filter(|of| of.trust.suspect_since.is_some()).count();
    let degraded = match status.degraded.len() {
        0 => String::new(),
        reasons => format!(", degraded: {reasons}"),
    };
    format!("mode {}, preset {}, suspects: {suspects}{degraded}", status.mode, status.preset)
}

fn first_line(text: &str) -> String {
    plain(text.lines().next().unwrap_or_default())
}

fn list(frame: &mut Frame<'_>, area: Rect, screen: &Screen) {
    let widths = NUMBERS.map(Constraint::Length).into_iter().chain([Constraint::Min(10)]);
    let names = area.width.saturating_sub(NUMBERS.iter().sum::<u16>() + NUMBERS.len() as u16);
    let shown = screen.shown();
    let rows = shown.iter().map(|row| line(row, usize::from(names), screen.coloured));
    let head = ["WAITING", "HALF-OPEN", "LIMIT", "RATE/S", "STATE"].into_iter();
    let head = head.map(|head| {
        Cell::from(format!("{head:>width$}", width = if head == "STATE" { 0 } else { width_of(head) }))
    });
    let head = TableRow::new(head.chain([Cell::from("ACCOUNT")])).style(Modifier::BOLD);
    let table = Table::new(rows, widths).header(head).row_highlight_style(Modifier::REVERSED);
    let selected = (!shown.is_empty()).then(|| screen.selected());
    frame.render_stateful_widget(table, area, &mut TableState::new().with_selected(selected));
}

/// That of the column with this heading.
fn width_of(head: &str) -> usize {
    let at = ["WAITING", "HALF-OPEN", "LIMIT", "RATE/S"].iter().position(|name| *name == head);
    at.map_or(0, |at| usize::from(NUMBERS[at]))
}

fn line(row: &Row, names: usize, coloured: bool) -> TableRow<'static> {
    let status = &row.status;
    let right =
        |text: String, at: usize| Cell::from(format!("{text:>width$}", width = usize::from(NUMBERS[at])));
    let limit = status.half_open_limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
    let rate = row.in_ten_seconds;
    let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{}.{}", rate / 10, rate % 10));
    let style = match row.state() {
        "" if status.queued > 0 && coloured => Style::from(Color::Yellow),
        "" => Style::default(),
        _ if coloured => Style::from((Color::Red, Modifier::BOLD)),
        _ => Style::from(Modifier::BOLD),
    };
    TableRow::new([
        right(status.queued.to_string(), 0),
        right(status.half_open.to_string(), 1),
        right(limit, 2),
        right(rate, 3),
        Cell::from(row.state()),
        Cell::from(shortened(&row.label(), names)),
    ])
    .style(style)
}

fn dialog(frame: &mut Frame<'_>, screen: &Screen) {
    let (title, text) = match &screen.dialog {
        Dialog::None | Dialog::Filter => return,
        Dialog::Help => (" Keys ", keys::HELP.to_owned()),
        Dialog::Limit { key, was, typed } => (
            " New limit ",
            format!(
                "{} = {}_\n\nNow {was}. A number, or unlimited. Enter: go on; Esc: leave it",
                plain(key),
                plain(typed)
            ),
        ),
        Dialog::Confirm(order) => (" Do this? ", format!("{}\n\ny: yes    n, Esc: no", order.question())),
    };
    let area = frame.area();
    let width = DIALOG.min(area.width);
    let inside = usize::from(width.saturating_sub(2)).max(1);
    let lines: usize = text.lines().map(|line| line.chars().count() / inside + 1).sum();
    let height = (lines as u16 + 2).min(area.height);
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let text = Paragraph::new(text).wrap(Wrap { trim: false });
    frame.render_widget(text.block(Block::bordered().title(title)), place);
}
