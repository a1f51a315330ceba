//! The kind of device of a request, from words in its `User-Agent`. Only for statistics; a library that knows every
//! model would be larger than the rest of the bundle.

/// What a `User-Agent` reveals.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    /// `desktop`, `mobile`, `tablet`, `bot` or `other`.
    pub kind: &'static str,
    pub browser: Option<&'static str>,
    pub os: Option<&'static str>,
    pub is_bot: bool,
}

/// Words that mark crawlers and other programs.
const BOTS: [&str; 16] = [
    "bot",
    "crawl",
    "spider",
    "slurp",
    "headless",
    "lighthouse",
    "facebookexternalhit",
    "preview",
    "monitor",
    "pingdom",
    "curl/",
    "wget/",
    "python-",
    "go-http-client",
    "scrapy",
    "phantomjs",
];

/// Browsers by a word of their `User-Agent`. The first match counts, since each names the browsers from which it
/// descends.
const BROWSERS: [(&str, &str); 9] = [
    ("edg", "Edge"),
    ("opr/", "Opera"),
    ("samsungbrowser", "Samsung Internet"),
    ("fxios", "Firefox"),
    ("firefox/", "Firefox"),
    ("crios", "Chrome"),
    ("chrome/", "Chrome"),
    ("version/", "Safari"),
    ("applewebkit", "Safari"),
];

/// Operating systems by a word; the first match counts.
const SYSTEMS: [(&str, &str); 7] = [
    ("iphone", "iOS"),
    ("ipad", "iOS"),
    ("android", "Android"),
    ("windows", "Windows"),
    ("cros ", "ChromeOS"),
    ("mac os", "macOS"),
    ("linux", "Linux"),
];

/// Reads a `User-Agent`.
pub fn of(user_agent: &str) -> Device {
    let agent = user_agent.to_ascii_lowercase();
    let has = |word: &str| agent.contains(word);
    let first = |table: &[(&str, &'static str)]| {
        let found = table.iter().find(|(word, _)| has(word));
        found.map(|(_, name)| *name)
    };
    let is_bot = BOTS.iter().any(|word| has(word));
    let os = first(&SYSTEMS);
    let kind = match os {
        _ if is_bot => "bot",
        Some("iOS") if has("ipad") => "tablet",
        Some("Android") if !has("mobile") => "tablet",
        Some("iOS" | "Android") => "mobile",
        Some(_) => "desktop",
        None => "other",
    };
    Device {
        kind,
        browser: first(&BROWSERS),
        os,
        is_bot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_user_agents_are_recognised() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                ("desktop", Some("Chrome"), Some("Windows"), false),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                ("desktop", Some("Edge"), Some("Windows"), false),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                ("desktop", Some("Safari"), Some("macOS"), false),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
                ("desktop", Some("Firefox"), Some("Linux"), false),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                ("mobile", Some("Safari"), Some("iOS"), false),
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
                ("tablet", Some("Chrome"), Some("iOS"), false),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                ("mobile", Some("Chrome"), Some("Android"), false),
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Safari/537.36",
                ("tablet", Some("Samsung Internet"), Some("Android"), false),
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                ("bot", None, None, true),
            ),
            ("curl/8.5.0", ("bot", None, None, true)),
            ("node", ("other", None, None, false)),
            ("", ("other", None, None, false)),
        ];
        for (agent, (kind, browser, os, is_bot)) in cases {
            assert_eq!(
                of(agent),
                Device {
                    kind,
                    browser,
                    os,
                    is_bot
                },
                "{agent}"
            );
        }
    }
}
