//! How made-up users and projects are called.

const GIVEN: [&str; 32] = [
    "ada", "amir", "bela", "ben", "carla", "chen", "dana", "diego", "elif", "emil", "fatou",
    "finn", "greta", "hana", "ida", "ivan", "jun", "kaya", "lea", "luca", "maya", "milo", "nia",
    "noor", "olga", "omar", "pia", "ravi", "sara", "tariq", "uma", "zoe",
];
const FAMILY: [&str; 32] = [
    "abel", "baker", "costa", "diaz", "egger", "farah", "garcia", "haas", "ito", "jansen", "kaur",
    "lund", "moreau", "nowak", "okafor", "park", "quinn", "rossi", "sato", "tanaka", "ueda",
    "varga", "weber", "xu", "yilmaz", "zhou", "brandt", "dumas", "fischer", "kovac", "molina",
    "petrov",
];
const FIRST_WORDS: [&str; 12] = [
    "Amber", "Blue", "Distant", "Hidden", "Late", "Long", "Paper", "Quiet", "Second", "Silver",
    "Wild", "Winter",
];
const SECOND_WORDS: [&str; 12] = [
    "Arcade", "Coast", "Garden", "Harbour", "Letters", "Line", "Orchard", "Signal", "Station",
    "Summer", "Tide", "Tower",
];

/// The `n`th user's name: no two are the same.
pub fn user_name(n: usize) -> String {
    let given = GIVEN[n % GIVEN.len()];
    // Shifted by one each round, so that neighbours do not share a name.
    let round = n / GIVEN.len();
    let family = FAMILY[(n + round) % FAMILY.len()];
    match n / (GIVEN.len() * FAMILY.len()) {
        0 => format!("{given}.{family}"),
        more => format!("{given}.{family}{}", more + 1),
    }
}

pub fn project_name(n: usize) -> String {
    let first = FIRST_WORDS[n % FIRST_WORDS.len()];
    let second = SECOND_WORDS[n / FIRST_WORDS.len() % SECOND_WORDS.len()];
    format!("{first} {second}")
}
