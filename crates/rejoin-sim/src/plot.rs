//! The figures drawn, as SVG.

use plotters::prelude::*;
use rejoin_core::{DialTrace, Lane, Time};

use crate::{
    absence::Absence,
    restart::{LIMIT, Table, policies},
    spread::NEVER,
};

/// How many of the restarts had five connections by when: one panel per absence, one line per policy.
/// Returns the text of an SVG file, or why it could not be drawn.
///
/// # Errors
/// If a panel has no room.
pub fn restarts(table: &Table) -> Result<String, String> {
    let panels = |area: &Panel<'_>| {
        let panels = area.split_evenly((2, 2));
        let mut panels = panels.iter().zip(Absence::ALL);
        panels.try_for_each(|(panel, absence)| draw(table, absence, panel))
    };
    svg(SIZE, panels)
}

/// One restart, dial by dial: when each began and ended, and how. Returns the text of an SVG file, or why it
/// could not be drawn.
///
/// # Errors
/// If there is no room.
pub fn timeline<'a>(
    dials: impl Iterator<Item = &'a DialTrace>,
    since: Time,
    until: Time,
) -> Result<String, String> {
    let dials: Vec<_> = dials.filter(|dial| dial.began < until).collect();
    let height = 90 + DIAL_HEIGHT * dials.len() as u32;
    svg((SIZE.0, height), |area| lanes(&dials, since, until, area))
}

fn svg(size: (u32, u32), draw: impl FnOnce(&Panel<'_>) -> Drawn) -> Result<String, String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        let told = |error: &dyn std::fmt::Display| error.to_string();
        area.fill(&WHITE).map_err(|error| told(&error))?;
        draw(&area).map_err(|error| told(&error))?;
        area.present().map_err(|error| told(&error))?;
    }
    Ok(text)
}

fn lanes(dials: &[&DialTrace], since: Time, until: Time, area: &Panel<'_>) -> Drawn {
    let ms = |at: Time| at.since(since).as_secs_f64() * 1_000.0;
    let mut chart = ChartBuilder::on(area)
        .caption("dials of one restart", ("sans-serif", 17))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(8)
        .build_cartesian_2d(0.0..ms(until).max(1.0), dials.len() as f64..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(WHITE)
        .x_desc("ms since the start")
        .draw()?;
    for (outcome, color) in OUTCOMES {
        let of_it = dials.iter().enumerate();
        let of_it = of_it.filter(|(_, dial)| shown_as(dial) == outcome);
        let bars = of_it.map(|(place, dial)| {
            let (top, end) = (place as f64, dial.ended.unwrap_or(until).min(until));
            let corners = [(ms(dial.began), top + 0.15), (ms(end), top + 0.85)];
            Rectangle::new(corners, color.filled())
        });
        let bars: Vec<_> = bars.collect();
        let label = format!("{outcome} ({})", bars.len());
        chart
            .draw_series(bars)?
            .label(label)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 16, y + 4)], color.filled()));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Servers stand out, whatever comes of them.
fn shown_as(dial: &DialTrace) -> &'static str {
    match (dial.lane, dial.outcome) {
        (Lane::Bootstrap, _) => "a server",
        (_, outcome @ ("connected" | "refused" | "silent")) => outcome,
        (_, "flying" | "cancelled") => "not needed any more",
        _ => "failed otherwise",
    }
}

const OUTCOMES: [(&str, RGBColor); 6] = [
    ("connected", RGBColor(44, 160, 44)),
    ("refused", RGBColor(255, 127, 14)),
    ("silent", RGBColor(127, 127, 127)),
    ("failed otherwise", RGBColor(140, 86, 75)),
    ("not needed any more", RGBColor(199, 199, 199)),
    ("a server", RGBColor(31, 119, 180)),
];

const DIAL_HEIGHT: u32 = 7;

type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(table: &Table, absence: Absence, panel: &Panel<'_>) -> Drawn {
    let dead = table
        .row(absence, "rejoin")
        .map_or(0.0, |row| row.dead_share);
    let title = format!(
        "away {absence}: {:.0} % of the known peers gone",
        dead * 100.0
    );
    let times = (FIRST_MS..LIMIT.as_millis() as f64).log_scale();
    let mut chart = ChartBuilder::on(panel)
        .caption(title, ("sans-serif", 17))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(46)
        .build_cartesian_2d(times, 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("time to 5 connections")
        .x_label_formatter(&|ms| match *ms {
            ms if ms < 1_000.0 => format!("{ms:.0} ms"),
            ms => format!("{:.0} s", ms / 1_000.0),
        })
        .y_desc("of the restarts")
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .draw()?;
    for (place, policy) in policies().into_iter().enumerate() {
        let Some(row) = table.row(absence, policy) else {
            continue;
        };
        let style = style(policy, place);
        chart
            .draw_series(LineSeries::new(steps(&row.times_ms), style))?
            .label(policy)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    if absence == Absence::Hour {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    Ok(())
}

/// The share of times no longer than each of them, in percent; at most [`STEPS_MAX`] of them.
fn steps(times_ms: &[u64]) -> Vec<(f64, f64)> {
    let mut sorted = times_ms.to_vec();
    sorted.sort_unstable();
    let number = sorted.len();
    let steps = number.min(STEPS_MAX);
    let mut points = vec![(FIRST_MS, 0.0)];
    for step in 1..=steps {
        let ms = sorted[number * step / steps - 1];
        if ms == NEVER {
            break;
        }
        let (ms, share) = ((ms as f64).max(FIRST_MS), |step| {
            100.0 * step as f64 / steps as f64
        });
        points.extend([(ms, share(step - 1)), (ms, share(step))]);
    }
    let reached = points.last().map_or(0.0, |(_, share)| *share);
    points.push((LIMIT.as_millis() as f64, reached));
    points
}

/// Ours stands out, the limit is black, others keep one colour in every panel.
fn style(policy: &str, place: usize) -> ShapeStyle {
    match policy {
        "rejoin" => RGBColor(214, 39, 40).stroke_width(3),
        "oracle" => BLACK.stroke_width(2),
        _ => OTHERS[place % OTHERS.len()].stroke_width(1),
    }
}

/// Ten hues that are told apart, and from red (after Tableau's).
const OTHERS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
    RGBColor(57, 59, 121),
];

const SIZE: (u32, u32) = (1_000, 720);

/// Finer than anybody sees.
const STEPS_MAX: usize = 200;

/// Nobody is back sooner: the nearest peers are some ten milliseconds away.
const FIRST_MS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::absence::Crowd;

    #[test]
    fn the_line_rises_at_each_time_and_not_for_those_that_never_arrive() {
        let points = steps(&[400, 100, NEVER, NEVER]);
        let limit = LIMIT.as_millis() as f64;
        assert_eq!(
            points,
            [
                (FIRST_MS, 0.0),
                (100.0, 0.0),
                (100.0, 25.0),
                (400.0, 25.0),
                (400.0, 50.0),
                (limit, 50.0)
            ]
        );
    }

    #[test]
    fn every_policy_and_absence_is_in_the_plot() {
        let table = Table::of(0..3, Crowd::default(), || {});
        let text = restarts(&table).unwrap();
        for word in policies().into_iter().chain(["1h", "1d", "1w", "1m"]) {
            assert!(text.contains(word), "{word}");
        }
        assert_eq!(text, restarts(&table).unwrap());
    }

    #[test]
    fn a_timeline_shows_what_came_of_each_dial() {
        let dial = |lane, outcome, began, ended| DialTrace {
            peer: None,
            lane,
            began: Time::from_millis(began),
            ended: Some(Time::from_millis(ended)),
            outcome,
        };
        let dials = [
            dial(Lane::Memory, "connected", 1_000, 1_100),
            dial(Lane::Memory, "refused", 1_000, 1_050),
            dial(Lane::Bootstrap, "connected", 1_200, 1_300),
            dial(Lane::Memory, "silent", 9_000, 9_100), // after the end
        ];
        let (since, until) = (Time::from_millis(1_000), Time::from_millis(1_400));
        let text = timeline(dials.iter(), since, until).unwrap();
        for label in ["connected (1)", "refused (1)", "a server (1)", "silent (0)"] {
            assert!(text.contains(label), "{label}");
        }
    }
}
