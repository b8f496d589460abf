//! Both forms on the same texts.

use super::super::marks::Marks;
use super::super::split::{Boundaries, Kind};
use super::*;

fn title(text: &str, plain: bool) -> Result<String, Damage> {
    let mut marks = Marks::default();
    marks.mark(text.as_bytes(), &Boundaries::of(Kind::Releases));
    let extent = marks.records(text.len()).next().expect("one record");
    let mut xml = if plain { Xml::plain(text) } else { Xml::fast(text, extent) };
    let record = xml.root()?.expect("a record");
    let mut found = String::new();
    while let Some(tag) = xml.child_of(&record)? {
        match tag.name() {
            name::TITLE => {
                found = xml.text(&tag)?.into_owned();
                tag.attributes(|name, value| found.push_str(&format!("[{name}={value}]")))?;
            }
            _ => xml.skip(&tag)?,
        }
    }
    Ok(found)
}

#[test]
fn what_the_fast_way_reads_is_what_the_plain_way_reads() {
    let common = [
        ("<title>plain</title>", "plain"),
        ("<title/>", ""),
        ("<title></title>", ""),
        ("<title>&#214;stermalm &amp; S&#xF6;der&lt;</title>", "Östermalm & Söder<"),
        ("<title>line\n&#13;\nfeed</title>", "line\n\r\nfeed"),
        ("<title a=\"x &gt; > '\" b='&quot;\"/>'>t</title>", "t[a=x > > '][b=\"\"/>]"),
        (
            "<notes>x &gt; y</notes><title>after</title><videos><video><title>no</title></video></videos>",
            "after",
        ),
        ("<other><title>no</title><unknown/></other>\n<title >yes</title>", "yes"),
    ];
    for (body, expected) in common {
        let text = format!("<release id=\"1\">{body}</release>");
        assert_eq!(title(&text, true).as_deref(), Ok(expected), "{body}");
        assert_eq!(title(&text, false).as_deref(), Ok(expected), "{body}");
    }
    // Left to the plain way: what Discogs does not write.
    let rare = [
        ("<title>a<b>bold</b>c</title>", "ac"),
        ("<title>a<![CDATA[<b>]]>c</title>", "a<b>c"),
        ("<notes><![CDATA[</notes><title>no</title>]]></notes><title>a<!-- no -->c</title>", "ac"),
        ("<other><other/><other></other><title>no</title></other><title>yes</title >", "yes"),
    ];
    for (body, expected) in rare {
        let text = format!("<release id=\"1\">{body}</release>");
        assert_eq!(title(&text, true).as_deref(), Ok(expected), "{body}");
        assert!(title(&text, false).is_err(), "{body}");
    }
}

#[test]
fn damage_is_named() {
    for plain in [false, true] {
        assert!(title("<r><title>a</r>", plain).is_err());
        assert!(title("<r><title>a</title></s>", plain).is_err());
        assert!(title("<r><title a=\"b>a</title></r>", plain).is_err());
        assert!(title("<r><title>a", plain).is_err());
        assert!(title("<r><videos><video>", plain).is_err());
        assert!(matches!(title("<r><title>&nope;</title></r>", plain), Err(Damage::Xml(_))));
    }
    assert_eq!(number("id", "007").unwrap(), 7);
    for bad in ["", "-1", "1e3", "12345678901234567890", "٣"] {
        assert!(number("id", bad).is_err(), "{bad}");
    }
}

#[test]
fn cells_hold_one_line() {
    assert_eq!(clean(Cow::Borrowed(" a\r\nb ")), "a b");
    assert_eq!(clean(Cow::Borrowed(" a  b ")), "a  b");
}
