// What the files of the geometric types share (utils/geo_decls.h).
//
// Comparisons are of two kinds, as in the server: fuzzy ones (FPeq and its relatives, within EPSILON) decide
// what operators say; exact ones, which know not-a-number (float8_lt and its relatives), put the corners of
// boxes in order.
#pragma once

extern "C" {
#include "postgres.h"
#include "utils/float.h"
#include "utils/geo_decls.h"
}

namespace bgw {

template <typename Shape>
inline Shape* new_shape() {
  return reinterpret_cast<Shape*>(palloc0(sizeof(Shape)));
}

inline float8 slope(const Point& a, const Point& b) {
  if (FPeq(a.x, b.x)) return get_float8_infinity();
  if (FPeq(a.y, b.y)) return 0;
  return float8_div(float8_mi(a.y, b.y), float8_mi(a.x, b.x));
}

// Fuzzy, except that not-a-number equals itself.
inline bool same_point(const Point& a, const Point& b) {
  if (isnan(a.x) || isnan(a.y) || isnan(b.x) || isnan(b.y)) return float8_eq(a.x, b.x) && float8_eq(a.y, b.y);
  return FPeq(a.x, b.x) && FPeq(a.y, b.y);
}

// The box with these two corners, whichever they are.
inline BOX box_of(const Point& a, const Point& b) {
  BOX box;
  box.high.x = float8_gt(a.x, b.x) ? a.x : b.x;
  box.low.x = float8_gt(a.x, b.x) ? b.x : a.x;
  box.high.y = float8_gt(a.y, b.y) ? a.y : b.y;
  box.low.y = float8_gt(a.y, b.y) ? b.y : a.y;
  return box;
}

// The smallest box around at least one point.
inline BOX box_around(const Point* points, int count) {
  BOX box = {points[0], points[0]};
  for (int i = 1; i < count; i++) {
    if (float8_lt(points[i].x, box.low.x)) box.low.x = points[i].x;
    if (float8_gt(points[i].x, box.high.x)) box.high.x = points[i].x;
    if (float8_lt(points[i].y, box.low.y)) box.low.y = points[i].y;
    if (float8_gt(points[i].y, box.high.y)) box.high.y = points[i].y;
  }
  return box;
}

inline PATH* new_path(int npts, bool closed) {
  const Size size = offsetof(PATH, p) + static_cast<Size>(npts) * sizeof(Point);
  PATH* path = reinterpret_cast<PATH*>(palloc0(size));
  SET_VARSIZE(path, size);
  path->npts = npts;
  path->closed = closed;
  return path;
}

inline POLYGON* new_polygon(int npts) {
  const Size size = offsetof(POLYGON, p) + static_cast<Size>(npts) * sizeof(Point);
  POLYGON* polygon = reinterpret_cast<POLYGON*>(palloc0(size));
  SET_VARSIZE(polygon, size);
  polygon->npts = npts;
  return polygon;
}

}  // namespace bgw
