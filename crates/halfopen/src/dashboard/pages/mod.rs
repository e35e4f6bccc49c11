//! The pages, each made anew for each request.

pub mod account;
mod chart;
pub mod event;
pub mod events;
pub mod history;
pub mod layout;
pub mod live;
pub mod login;
pub mod overview;
pub mod setting;
pub mod settings;
pub mod trial;
mod what_if;
