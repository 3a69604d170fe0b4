//! One user per browser: a cookie holds a public id and a secret. The id stands in the posts, and who
//! brings the secret with it is their author.

use std::{fs::File, io::Read};

use actix_web::{HttpRequest, HttpResponse, http::header};

use super::Refusal;
use crate::data::{Author, Posts};

const COOKIE: &str = "posts_visitor";
const COOKIE_SECONDS: u32 = 365 * 24 * 60 * 60;
const PART_BYTES: usize = 16;
const PART_CHARS: usize = 2 * PART_BYTES;

const ADJECTIVES: [&str; 24] = [
    "Amber", "Bold", "Brisk", "Calm", "Clever", "Cosy", "Dapper", "Gentle", "Golden", "Happy",
    "Jolly", "Kind", "Lucky", "Mellow", "Merry", "Misty", "Nimble", "Quiet", "Ruby", "Silver",
    "Sunny", "Swift", "Velvet", "Witty",
];
const ANIMALS: [&str; 24] = [
    "Badger", "Beaver", "Crane", "Dolphin", "Falcon", "Finch", "Fox", "Gecko", "Hare", "Heron",
    "Ibex", "Jay", "Koala", "Lark", "Lynx", "Marten", "Newt", "Otter", "Owl", "Panda", "Puffin",
    "Robin", "Seal", "Wren",
];

/// Who asks, and whether the browser is still to be told so.
#[derive(Debug)]
pub struct Visitor {
    pub author: Author,
    is_new: bool,
}

impl Visitor {
    /// By the cookie. An id that has written is taken only with its secret.
    pub async fn of(request: &HttpRequest, posts: &Posts) -> Result<Self, Refusal> {
        let Some((id, secret)) = cookie(request) else {
            return Self::new();
        };
        let known = posts.author(id.to_owned()).await?;
        let author = match known {
            Some(known) if !is_same(&known.secret, secret) => return Self::new(),
            Some(known) => known,
            None => Author {
                id: id.to_owned(),
                secret: secret.to_owned(),
                name: made_up_name(id),
            },
        };
        Ok(Self {
            author,
            is_new: false,
        })
    }

    fn new() -> Result<Self, Refusal> {
        let random = |error: std::io::Error| {
            log::error!("no random numbers: {error}");
            Refusal::from(crate::data::Unavailable)
        };
        let id = random_part().map_err(random)?;
        Ok(Self {
            author: Author {
                secret: random_part().map_err(random)?,
                name: made_up_name(&id),
                id,
            },
            is_new: true,
        })
    }

    /// The header to answer with, where the browser has no cookie yet. It is not `Secure`, because the
    /// page is served over plain HTTP on a developer's machine.
    pub fn cookie(&self) -> Option<(header::HeaderName, String)> {
        let Author { id, secret, .. } = &self.author;
        self.is_new.then(|| {
            let cookie = format!(
                "{COOKIE}={id}.{secret}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax"
            );
            (header::SET_COOKIE, cookie)
        })
    }
}

/// `GET /home/own.css`: what shows the controls of one's own posts. So the posts themselves are the
/// same for all, and are rendered once.
pub async fn stylesheet(request: HttpRequest) -> HttpResponse {
    let rule = cookie(&request).map_or_else(String::new, |(id, _)| {
        format!(".by-{id} > .own {{ display: flex }}\n")
    });
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(rule)
}

/// The id and the secret. The id ends in HTML and in a stylesheet, so nothing but our own form is taken.
fn cookie(request: &HttpRequest) -> Option<(&str, &str)> {
    let cookies = request.headers().get_all(header::COOKIE);
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let is_part = |part: &str| {
        part.len() == PART_CHARS && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    value
        .split_once('.')
        .filter(|(id, secret)| is_part(id) && is_part(secret))
}

/// In a time that says nothing of where they differ.
fn is_same(a: &str, b: &str) -> bool {
    let differing = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |bits, (a, b)| bits | (a ^ b));
    a.len() == b.len() && std::hint::black_box(differing) == 0
}

/// From the kernel: a secret must not be guessed from others.
fn random_part() -> std::io::Result<String> {
    let mut bytes = [0; PART_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The same for an id each time.
fn made_up_name(id: &str) -> String {
    let choice = |part: Option<&str>, names: &[&'static str]| {
        let number = part.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        names[number.unwrap_or_default() % names.len()]
    };
    let adjective = choice(id.get(..8), &ADJECTIVES);
    let animal = choice(id.get(8..16), &ANIMALS);
    format!("{adjective} {animal}")
}
