use super::Pattern;

fn template(text: &str) -> Pattern {
    let pattern = Pattern::selector(text).unwrap();
    assert_eq!(pattern.kind(), super::PatternKind::Template, "{text}");
    pattern
}

/// Template, expansions of it, and texts that no values of its variables give.
const TABLE: &[(&str, &[&str], &[&str])] = &[
    (
        "/{id}",
        &["/", "/1", "/a-b.c_d~e", "/%C3%A9", "/%20", "/a,b"],
        &["", "/a/b", "/a b", "/é", "/%2", "/%zz", "/a?", "x/a"],
    ),
    ("/{x,y}", &["/", "/1", "/1,2", "/,"], &["/1/2", "/1;2"]),
    ("{x}{y}", &["", "a", "a,b"], &["a/b"]),
    (
        "/{id:3}",
        &["/", "/abc", "/%C3%A9a%E2%82%AC", "/%F0%9F%98%80"],
        &["/abcd", "/%C3%A9%C3%A9%C3%A9%C3%A9", "/%C3", "/a,b"],
    ),
    (
        "/{+path}",
        &["/", "/a/b", "/a?b=c#d", "/a%20b", "/a,b", "/[x]@!$&'()*+;="],
        &["/a b", "/é", "/%", "/a\"", "/{a}"],
    ),
    ("/{+path:2}", &["/", "/a/", "/%C3%A9a"], &["/abc"]),
    (
        "x{#f}",
        &["x", "x#", "x#a/b?c", "x#a,b"],
        &["xa", "#a", "x?a"],
    ),
    ("x{#a,b}", &["x", "x#1", "x#1,2"], &["x1,2"]),
    (
        "x{.d}",
        &["x", "x.", "x.com", "x.a,b", "x.a.b"],
        &["xcom", "x/a"],
    ),
    (
        "www{.domain*}",
        &["www", "www.example.com", "www.a=b.c=d"],
        &["www/a", "wwwa"],
    ),
    ("{/a}", &["", "/", "/x", "/x,y"], &["x", "/x/y"]),
    ("{/a,b}", &["", "/x", "/x/y"], &["/x/y/z", "x/y"]),
    ("{/a*}", &["", "/x", "/x/y/z", "/k=v/l=w"], &["x", "/x?y"]),
    ("{/a*,b}", &["/x/y/z", "/z"], &["/x//?"]),
    ("{/a:1,b}", &["/x/yz", "/y", "/x"], &["/xx/y"]),
    (
        "{;a}",
        &["", ";a", ";a=1", ";a=1,2"],
        &[";b", ";a=", "a=1", ";a=1;a=2"],
    ),
    (
        "{;x,y}",
        &["", ";x", ";y", ";x=1;y=2", ";x;y"],
        &[";y;x", ";x=1,y=2"],
    ),
    ("{;a:2}", &[";a", ";a=12"], &[";a=123", ";a="]),
    ("{;a*}", &[";a=1;a=2", ";k=1;l", ";k"], &[";k=", "k"]),
    (
        "/s{?q}",
        &["/s", "/s?q=", "/s?q=a", "/s?q=a,b", "/s?q=%26"],
        &["/s?", "/s?q", "/s?p=a", "/s?q=a&p=b", "/s?q=a&"],
    ),
    (
        "/s{?q,lang}",
        &["/s", "/s?q=1", "/s?lang=de", "/s?q=1&lang=de"],
        &["/s?lang=de&q=1", "/s?q=1?lang=de"],
    ),
    ("/s{?q:2}", &["/s?q=", "/s?q=ab"], &["/s?q=abc"]),
    (
        "/s{?k*}",
        &["/s", "/s?a=1&b=", "/s?k=1&k=2"],
        &["/s?a", "/s?=1"],
    ),
    (
        "/s?a=1{&b}",
        &["/s?a=1", "/s?a=1&b=", "/s?a=1&b=2"],
        &["/s?a=1b=2", "/s?a=1?b=2"],
    ),
    ("/s?a=1{&k*}", &["/s?a=1", "/s?a=1&b=2&c=3"], &["/s?a=1&b"]),
    ("{semi.colon}", &["a"], &["/"]),
    ("{%41_b}", &["a"], &["/"]),
    (
        "é/{id}",
        &["é/1", "%C3%A9/1", "%c3%a9/1"],
        &["e/1", "%C3/1"],
    ),
    ("a.b/{x}", &["a.b/1"], &["a-b/1"]),
    ("it's/{x}", &["it's/1"], &["its/1"]),
    ("%41/{x}", &["%41/1"], &["A/1"]),
];

#[test]
fn a_template_matches_its_expansions_and_nothing_else() {
    for (text, expansions, others) in TABLE {
        let template = template(text);
        for topic in *expansions {
            assert!(template.matches(topic), "{text} must match {topic:?}");
        }
        for topic in *others {
            assert!(!template.matches(topic), "{text} must not match {topic:?}");
        }
        assert!(template.matches(text), "{text} is equal to itself");
    }
}

/// The examples of RFC 6570, section 3.2, with its values.
#[test]
fn examples_of_rfc_6570_match() {
    let table: &[(&str, &str)] = &[
        ("{count}", "one,two,three"),
        ("{count*}", "one,two,three"),
        ("{/count*}", "/one/two/three"),
        ("{;count*}", ";count=one;count=two;count=three"),
        ("{?count*}", "?count=one&count=two&count=three"),
        ("{&count*}", "&count=one&count=two&count=three"),
        ("{hello}", "Hello%20World%21"),
        ("{half}", "50%25"),
        ("O{empty}X", "OX"),
        ("O{undef}X", "OX"),
        ("{x,hello,y}", "1024,Hello%20World%21,768"),
        ("?{x,empty}", "?1024,"),
        ("?{undef,y}", "?768"),
        ("{var:30}", "value"),
        ("{list}", "red,green,blue"),
        ("{keys}", "semi,%3B,dot,.,comma,%2C"),
        ("{keys*}", "semi=%3B,dot=.,comma=%2C"),
        ("{+hello}", "Hello%20World!"),
        ("{+base}index", "http://example.com/home/index"),
        ("up{+path}{var}/here", "up/foo/barvalue/here"),
        ("{+path:6}/here", "/foo/b/here"),
        ("{+keys*}", "semi=;,dot=.,comma=,"),
        ("{#path,x}/here", "#/foo/bar,1024/here"),
        ("{#keys}", "#semi,;,dot,.,comma,,"),
        ("X{.list*}", "X.red.green.blue"),
        ("X{.keys}", "X.semi,%3B,dot,.,comma,%2C"),
        ("X{.empty_keys*}", "X"),
        ("{/var,empty}", "/value/"),
        ("{/var:1,var}", "/v/value"),
        ("{/list*,path:4}", "/red/green/blue/%2Ffoo"),
        ("{/keys*}", "/semi=%3B/dot=./comma=%2C"),
        ("{;v,bar,who}", ";v=6;who=fred"),
        ("{;hello:5}", ";hello=Hello"),
        ("{;keys*}", ";semi=%3B;dot=.;comma=%2C"),
        ("{?x,y,empty}", "?x=1024&y=768&empty="),
        ("{?var:3}", "?var=val"),
        ("{?keys}", "?keys=semi,%3B,dot,.,comma,%2C"),
        ("?fixed=yes{&x}", "?fixed=yes&x=1024"),
        ("{&var:3}", "&var=val"),
    ];
    for (text, expansion) in table {
        assert!(template(text).matches(expansion), "{text} {expansion}");
    }
}

#[test]
fn an_invalid_template_is_just_a_text() {
    for text in [
        "{",
        "{}",
        "a{b",
        "{a}}",
        "{a}{",
        "{=a}",
        "{!a}",
        "{a b}",
        "{a:0}",
        "{a:10000}",
        "{a:}",
        "{a:01}",
        "{a*:3}",
        "{.}",
        "{a..b}",
        "{a.}",
        "{a,}",
        "{,a}",
        "{-a}",
        "a b{c}",
        "<{a}>",
        "%4{a}",
        "{%4}",
        "{a:3*}",
        "{é}",
    ] {
        let pattern = Pattern::selector(text).unwrap();
        assert_eq!(pattern.kind(), super::PatternKind::Exact, "{text}");
        assert!(pattern.matches(text));
        assert!(!pattern.matches(""));
    }
    let closing = Pattern::selector("a}").unwrap();
    assert_eq!(closing.kind(), super::PatternKind::Exact);
}

#[test]
fn a_template_that_compiles_to_too_much_is_refused() {
    let names: Vec<String> = (0..=super::MAX_VARIABLES)
        .map(|n| format!("v{n}"))
        .collect();
    for text in [
        format!("{{{}}}", names.join(",")),
        "{a:9999}{b:9999}".to_owned(),
        "{a:999}".repeat(20),
    ] {
        let refused = Pattern::selector(&text);
        assert!(
            matches!(refused, Err(super::PatternError::TooComplex(_))),
            "{text}"
        );
    }
    let most = format!("{{&{}}}", names[1..].join(","));
    assert!(template(&most).matches("&v1=1&v32=2"));
    let many = format!("{{?{}}}", names[..16].join(","));
    assert!(template(&many).matches("?v0=1&v15=2"));
}
