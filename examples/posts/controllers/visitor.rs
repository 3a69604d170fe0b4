//! One user per browser: a cookie holds a public id, a secret, and a proof that both were given out here.
//! The id stands in the posts, and who brings the secret with it is their author.

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

/// Who asks, and the cookie that the browser is still to be given.
#[derive(Debug)]
pub struct Visitor {
    pub author: Author,
    new_cookie: Option<String>,
}

impl Visitor {
    /// By the cookie. An id that has written is taken only with its secret, and any other only with the
    /// proof that it is none that the client made up; whoever has neither is somebody new.
    pub async fn of(request: &HttpRequest, posts: &Posts) -> Result<Self, Refusal> {
        let Some(Cookie { id, secret, proof }) = cookie(request) else {
            return Self::new(posts);
        };
        let name = match posts.author(id.to_owned()).await? {
            Some(known) if known.has(secret) => known.name,
            None if posts.issuer().has_issued(id, secret, proof) => made_up_name(id),
            _ => return Self::new(posts),
        };
        Ok(Self {
            author: Author {
                id: id.to_owned(),
                secret: secret.to_owned(),
                name,
            },
            new_cookie: None,
        })
    }

    fn new(posts: &Posts) -> Result<Self, Refusal> {
        let random = |error: std::io::Error| {
            log::error!("no random numbers: {error}");
            Refusal::from(crate::data::Unavailable)
        };
        let id = random_part().map_err(random)?;
        let secret = random_part().map_err(random)?;
        let proof = posts.issuer().proof(&id, &secret);
        Ok(Self {
            new_cookie: Some(format!("{id}.{secret}.{proof}")),
            author: Author {
                name: made_up_name(&id),
                secret,
                id,
            },
        })
    }

    /// Whether the browser has no cookie yet.
    pub fn is_new(&self) -> bool {
        self.new_cookie.is_some()
    }

    /// The header to answer with, where the browser has no cookie yet. It is not `Secure`, because the
    /// page is served over plain HTTP on a developer's machine.
    pub fn cookie(&self) -> Option<(header::HeaderName, String)> {
        let value = self.new_cookie.as_ref()?;
        let cookie =
            format!("{COOKIE}={value}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax");
        Some((header::SET_COOKIE, cookie))
    }
}

/// `GET /home/own.css`: what shows the controls of one's own posts. So the posts themselves are the
/// same for all, and are rendered once.
pub async fn stylesheet(request: HttpRequest) -> HttpResponse {
    let rule = cookie(&request).map_or_else(String::new, |Cookie { id, .. }| {
        format!(".by-{id} > .own {{ display: flex }}\n.by-{id} > .thank {{ display: none }}\n")
    });
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(rule)
}

/// What a cookie holds. The id ends in HTML and in a stylesheet, so nothing but our own form is taken.
struct Cookie<'a> {
    id: &'a str,
    secret: &'a str,
    /// Empty in cookies of an earlier version.
    proof: &'a str,
}

fn cookie(request: &HttpRequest) -> Option<Cookie<'_>> {
    let cookies = request.headers().get_all(header::COOKIE);
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
    let (id, rest) = value.split_once('.')?;
    let (secret, proof) = rest.split_once('.').unwrap_or((rest, ""));
    let is_part = |part: &str| {
        part.len() == PART_CHARS && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    (is_part(id) && is_part(secret)).then_some(Cookie { id, secret, proof })
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
