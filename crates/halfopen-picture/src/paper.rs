//! What is drawn on, whatever it becomes.
//!
//! One type for both formats: were charts generic over what they are drawn on, the program would have their code twice.

use crate::doubled::Doubled;
use plotters::prelude::SVGBackend;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

/// An SVG, or pixels. Coordinates are in units of the SVG.
pub enum Paper<'a> {
    /// An SVG.
    Svg(SVGBackend<'a>),
    /// Pixels, and the font of their text.
    Pixels(Doubled<'a>),
}

/// What is drawn on fails.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PaperError(String);

type Drawn = Result<(), DrawingErrorKind<PaperError>>;

fn failed<E: std::error::Error + Send + Sync>(error: &DrawingErrorKind<E>) -> DrawingErrorKind<PaperError> {
    DrawingErrorKind::DrawingError(PaperError(error.to_string()))
}

/// The same of either.
macro_rules! on {
    ($paper:expr, $backend:ident => $drawn:expr) => {
        match $paper {
            Paper::Svg($backend) => $drawn.map_err(|error| failed(&error)),
            Paper::Pixels($backend) => $drawn.map_err(|error| failed(&error)),
        }
    };
}

impl DrawingBackend for Paper<'_> {
    type ErrorType = PaperError;

    fn get_size(&self) -> (u32, u32) {
        crate::SIZE
    }

    fn ensure_prepared(&mut self) -> Drawn {
        on!(self, backend => backend.ensure_prepared())
    }

    fn present(&mut self) -> Drawn {
        on!(self, backend => backend.present())
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn {
        on!(self, backend => backend.draw_pixel(point, colour))
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        on!(self, backend => backend.draw_line(from, to, style))
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        on!(self, backend => backend.draw_rect(upper_left, bottom_right, style, fill))
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        on!(self, backend => backend.draw_path(path, style))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        on!(self, backend => backend.draw_circle(centre, radius, style, fill))
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        on!(self, backend => backend.fill_polygon(corners, style))
    }

    fn draw_text<S: BackendTextStyle>(&mut self, text: &str, style: &S, at: BackendCoord) -> Drawn {
        on!(self, backend => backend.draw_text(text, style, at))
    }
}
