//! What each key does.

use super::order::{Order, limit_key};
use super::screen::{Dialog, Screen, Wish};
use crate::control::ScopeKind;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest text that can be typed.
const LONGEST: usize = 60;
/// How many rows a page has.
const PAGE: isize = 10;

/// The keys, for people.
pub const HELP: &str = "\
Up, Down, k, j     another account; PageUp and PageDown: ten further
Enter              its programs and destinations; Esc: back to the list
/                  show only names that contain a text; Esc: all
s                  sort by waiting, half-open, suspects, rate, name
r                  release it: no longer a suspect, no longer blocked
b                  block it for an hour
l                  change the half_open that it goes by
q, Ctrl-C          end; nothing changes

r, b and l say what will happen, and ask first.
WAITING  attempts that are held now      RATE/S  attempts begun a second
HALF-OPEN  SYN out, unanswered           LIMIT   how many may be half-open";

/// Carries out a key on the screen, and says what else it asks for.
pub fn pressed(screen: &mut Screen, key: KeyEvent) -> Wish {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Wish::End;
    }
    match screen.dialog.clone() {
        Dialog::None => on_list(screen, key.code),
        Dialog::Help => {
            screen.dialog = Dialog::None;
            Wish::None
        }
        Dialog::Filter => {
            match key.code {
                KeyCode::Esc => screen.filter.clear(),
                code => typed(&mut screen.filter, code),
            }
            if matches!(key.code, KeyCode::Esc | KeyCode::Enter) {
                screen.dialog = Dialog::None;
            }
            Wish::None
        }
        Dialog::Limit { key: name, was, typed: mut value } => {
            screen.dialog = match key.code {
                KeyCode::Esc => Dialog::None,
                KeyCode::Enter if value.is_empty() => Dialog::None,
                KeyCode::Enter => Dialog::Confirm(Order::Limit { key: name, was, value }),
                code => {
                    typed(&mut value, code);
                    Dialog::Limit { key: name, was, typed: value }
                }
            };
            Wish::None
        }
        Dialog::Confirm(order) => match key.code {
            KeyCode::Char('y') => {
                screen.dialog = Dialog::None;
                Wish::Carry(order)
            }
            KeyCode::Char('n') | KeyCode::Esc => {
                (screen.dialog, screen.told) = (Dialog::None, Some("nothing was done".to_owned()));
                Wish::None
            }
            _ => Wish::None,
        },
    }
}

fn on_list(screen: &mut Screen, code: KeyCode) -> Wish {
    screen.told = None;
    match code {
        KeyCode::Char('q') => return Wish::End,
        KeyCode::Esc if screen.page.is_some() => screen.page = None,
        KeyCode::Esc => screen.filter.clear(),
        KeyCode::Char('?') => screen.dialog = Dialog::Help,
        KeyCode::Char('/') if screen.page.is_none() => screen.dialog = Dialog::Filter,
        KeyCode::Char('s') => screen.sort = screen.sort.next(),
        KeyCode::Up | KeyCode::Char('k') => screen.go(-1),
        KeyCode::Down | KeyCode::Char('j') => screen.go(1),
        KeyCode::PageUp => screen.go(-PAGE),
        KeyCode::PageDown => screen.go(PAGE),
        KeyCode::Enter if screen.page.is_none() => {
            screen.open();
            return Wish::Look;
        }
        KeyCode::Char(asks @ ('r' | 'b' | 'l')) => ask(screen, asks),
        _ => {}
    }
    Wish::None
}

/// Asks before anything is done to the selected account.
fn ask(screen: &mut Screen, what: char) {
    let Some(row) = screen.current() else { return };
    let status = &row.status;
    let account = status.name.parse().ok().filter(|_| status.kind != ScopeKind::Host);
    let dialog = match (what, account) {
        ('l', _) => {
            let was =
                status.half_open_limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
            Some(Dialog::Limit { key: limit_key(status), was, typed: String::new() })
        }
        ('r', Some(account)) => Some(Dialog::Confirm(Order::Release(account))),
        ('b', Some(account)) => Some(Dialog::Confirm(Order::Block(account))),
        _ => None,
    };
    match dialog {
        Some(dialog) => screen.dialog = dialog,
        None => screen.told = Some("that is for an account, not for the whole host".to_owned()),
    }
}

fn typed(text: &mut String, code: KeyCode) {
    match code {
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char(letter) if text.len() < LONGEST => text.push(letter),
        _ => {}
    }
}
