//! What a subscriber gets, from the head of the answer to a resume, and what it may do with its
//! connection.

mod connections;
mod cuts;
mod doors;
mod heartbeats;
mod history_page;
mod lists;
mod requests;
mod resume;
mod wire;
