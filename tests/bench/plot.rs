//! Draws time and memory against the number of files, both axes in powers of ten: what costs the
//! same for each file is a straight line.

use std::fmt::Write;

/// What was measured with so many files.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub files: usize,
    pub start_ms: f64,
    pub look_ms: f64,
    pub find_ms: f64,
    /// Bytes.
    pub memory: f64,
    /// Bytes.
    pub outbox: f64,
}

/// A line of a panel: its name, its colour, and its values.
type Line = (&'static str, &'static str, fn(&Point) -> f64);

struct Panel {
    title: &'static str,
    lines: &'static [Line],
    /// Powers of ten from which to which it goes.
    from: i32,
    to: i32,
    unit: fn(i32) -> String,
}

const PANELS: [Panel; 2] = [
    Panel {
        title: "time",
        lines: &[
            ("start", "#0969da", |point| point.start_ms),
            ("reconcile", "#1a7f37", |point| point.look_ms),
            ("find -printf", "#8c8c8c", |point| point.find_ms),
        ],
        from: 0,
        to: 4,
        unit: |power| match power {
            0..=2 => format!("{} ms", 10_i32.pow(power as u32)),
            _ => format!("{} s", 10_i32.pow(power as u32 - 3)),
        },
    },
    Panel {
        title: "memory and disk",
        lines: &[
            ("resident, at the most", "#cf222e", |point| point.memory / 1e6),
            ("outbox", "#9a6700", |point| point.outbox / 1e6),
        ],
        from: -1,
        to: 3,
        unit: |power| match power {
            0.. => format!("{} MB", 10_i32.pow(power as u32)),
            _ => format!("{} kB", 10_i32.pow((power + 3) as u32)),
        },
    },
];

/// The size of a panel's inside, and where it begins.
const SIDE: f64 = 280.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 36.0;
const STEP: f64 = 390.0;

/// The whole drawing.
pub fn svg(points: &[Point]) -> String {
    let mut svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 780 372\" \
                   font-family=\"sans-serif\" font-size=\"12\" fill=\"#57606a\">\n\
                   <rect width=\"780\" height=\"372\" fill=\"#ffffff\"/>\n"
        .to_owned();
    for (place, panel) in PANELS.iter().enumerate() {
        draw(&mut svg, panel, LEFT + STEP * place as f64, points);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, left: f64, points: &[Point]) {
    let last = points.iter().map(|point| point.files).max().unwrap_or(1000);
    let span = (last as f64).log10().ceil().max(4.0) - 3.0;
    let x = |files: f64| left + (files.log10() - 3.0) / span * SIDE;
    let height = f64::from(panel.to - panel.from);
    let y = |value: f64| TOP + SIDE - (value.log10() - f64::from(panel.from)) / height * SIDE;
    let mut add = |text: std::fmt::Arguments<'_>| svg.write_fmt(text).expect("text has room");
    add(format_args!("<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{}</text>\n", panel.title));
    for power in panel.from..=panel.to {
        let (at, name) = (y(10_f64.powi(power)), (panel.unit)(power));
        add(format_args!(
            "<path d=\"M{left} {at:.1}h{SIDE}\" stroke=\"#d0d7de\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>\n",
            left - 6.0,
            at + 4.0
        ));
    }
    for power in 3..=3 + span as u32 {
        let at = x(10_f64.powi(power as i32));
        let name = ["1,000", "10,000", "100,000", "1,000,000"].get(power as usize - 3);
        add(format_args!(
            "<path d=\"M{at:.1} {TOP}v{SIDE}\" stroke=\"#d0d7de\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            TOP + SIDE + 18.0,
            name.unwrap_or(&"")
        ));
    }
    add(format_args!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">files</text>\n",
        left + SIDE / 2.0,
        TOP + SIDE + 36.0
    ));
    for (place, (name, colour, value)) in panel.lines.iter().enumerate() {
        let at = points.iter().map(|p| format!("{:.1},{:.1}", x(p.files as f64), y(value(p))));
        let at = at.collect::<Vec<_>>().join(" ");
        add(format_args!(
            "<polyline points=\"{at}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"
        ));
        let (along, down) = (left + 12.0, TOP + 18.0 + 16.0 * place as f64);
        add(format_args!("<text x=\"{along}\" y=\"{down}\" fill=\"{colour}\">{name}</text>\n"));
    }
}
