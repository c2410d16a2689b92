//! The figures drawn, as SVG.

use plotters::prelude::*;

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
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        for (panel, absence) in area.split_evenly((2, 2)).iter().zip(Absence::ALL) {
            draw(table, absence, panel).map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(text)
}

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

/// The share of times no longer than each of them, in percent.
fn steps(times_ms: &[u64]) -> Vec<(f64, f64)> {
    let mut sorted = times_ms.to_vec();
    sorted.sort_unstable();
    let number = sorted.len() as f64;
    let share = |place: usize| place as f64 / number * 100.0;
    let known = sorted.iter().enumerate().filter(|(_, ms)| **ms != NEVER);
    let mut points = vec![(FIRST_MS, 0.0)];
    for (place, ms) in known {
        let ms = (*ms as f64).max(FIRST_MS);
        points.extend([(ms, share(place)), (ms, share(place + 1))]);
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
        _ => Palette99::pick(place).mix(0.8).stroke_width(1),
    }
}

const SIZE: (u32, u32) = (1_000, 720);

/// Nobody is back sooner: the nearest peers are some ten milliseconds away.
const FIRST_MS: f64 = 20.0;

#[cfg(test)]
mod tests {
    use super::*;

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
        let table = Table::of(0..3, 450, || {});
        let text = restarts(&table).unwrap();
        for word in policies().into_iter().chain(["1h", "1d", "1w", "1m"]) {
            assert!(text.contains(word), "{word}");
        }
        assert_eq!(text, restarts(&table).unwrap());
    }
}
