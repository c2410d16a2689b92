//! How every figure grows with the number of peers, drawn as SVG: a straight line is a power of it, a level
//! one a cost that does not grow.

use plotters::prelude::*;

use crate::{
    course::Row,
    table::{COLUMNS, Column},
};

/// One panel per figure, one line per system. Returns the text of an SVG file.
///
/// # Errors
/// If there is no room.
pub fn growth(rows: &[Row]) -> Result<String, String> {
    let mut text = String::new();
    let drawn = draw(
        rows,
        &SVGBackend::with_string(&mut text, SIZE).into_drawing_area(),
    );
    drawn.map(|()| text).map_err(|error| error.to_string())
}

type Panel<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(rows: &[Row], area: &Panel<'_>) -> Drawn {
    area.fill(&WHITE)?;
    let panels = area.split_evenly((COLUMNS.len().div_ceil(ACROSS), ACROSS));
    for (place, (panel, column)) in panels.iter().zip(COLUMNS).enumerate() {
        figure(rows, column, place == 0, panel)?;
    }
    Ok(area.present()?)
}

fn figure(rows: &[Row], (heading, of): Column, legend: bool, panel: &Panel<'_>) -> Drawn {
    let points = |system: &str| -> Vec<(f64, f64)> {
        let rows = rows.iter().filter(|row| row.system == system);
        rows.filter_map(|row| Some((row.n as f64, of(row)?)))
            .collect()
    };
    let mut systems: Vec<_> = rows.iter().map(|row| &*row.system).collect();
    systems.sort_unstable();
    systems.dedup();
    let all: Vec<_> = systems.iter().flat_map(|system| points(system)).collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let least = all.iter().map(of).fold(f64::INFINITY, f64::min);
        let most = all.iter().map(of).fold(0.0, f64::max);
        (least / 2.0..most * 2.0).log_scale()
    };
    if all.is_empty() {
        return Ok(());
    }
    let mut chart = ChartBuilder::on(panel)
        .caption(heading, ("sans-serif", 17))
        .margin(8)
        .x_label_area_size(24)
        .y_label_area_size(54)
        .build_cartesian_2d(span(|(n, _)| *n), span(|(_, figure)| *figure))?;
    let plain = |number: &f64| number.to_string();
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_labels(8)
        .x_label_formatter(&plain)
        .y_label_formatter(&plain)
        .draw()?;
    for (place, system) in systems.iter().enumerate() {
        let style = style(system, place);
        chart
            .draw_series(LineSeries::new(points(system), style).point_size(2))?
            .label(*system)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
    }
    if legend {
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.9))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    Ok(())
}

/// Ours stands out.
fn style(system: &str, place: usize) -> ShapeStyle {
    match system {
        "rejoin" => RGBColor(214, 39, 40).stroke_width(3),
        _ => Palette99::pick(place + 1).stroke_width(1),
    }
}

const SIZE: (u32, u32) = (1_100, 1_000);

/// Panels beside each other.
const ACROSS: usize = 3;
