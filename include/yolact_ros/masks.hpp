// SPDX-FileCopyrightText: The yolact_ros authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads the masks of yolact_ros/msg/InstanceMask; header only, C++14, nothing to link.
//
//   #include <yolact_ros/masks.hpp>
//   for (const auto & mask : array->instances) {
//     yolact_ros::Bitmap crop = yolact_ros::decode(mask);      // the roi, 0 or 255
//     cv::Mat full = yolact_ros::decode_full_cv(mask);         // the whole picture, CV_8UC1
//     bool hit = yolact_ros::contains(mask, x, y);             // one pixel, nothing decoded
//   }
//
// The functions take the generated message or any type with the same fields. All of them throw
// std::invalid_argument for a message whose size, encoding and data do not fit together.
// The OpenCV functions exist where <opencv2/core.hpp> is on the include path; define
// YOLACT_ROS_WITH_OPENCV as 0 or 1 before the include to decide it yourself.

#ifndef YOLACT_ROS__MASKS_HPP_
#define YOLACT_ROS__MASKS_HPP_

#ifndef YOLACT_ROS_WITH_OPENCV
#  ifdef __has_include
#    if __has_include(<opencv2/core.hpp>)
#      define YOLACT_ROS_WITH_OPENCV 1
#    endif
#  endif
#endif
#ifndef YOLACT_ROS_WITH_OPENCV
#  define YOLACT_ROS_WITH_OPENCV 0
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#if YOLACT_ROS_WITH_OPENCV
#include <opencv2/core.hpp>
#endif

namespace yolact_ros
{

// The values of InstanceMask.encoding.
enum MaskEncoding : std::uint8_t { ENCODING_MONO8 = 0, ENCODING_PACKED = 1, ENCODING_RLE = 2 };

// A quarter of a gigapixel: more than any camera has, less than what would exhaust a machine.
constexpr std::uint64_t MAX_PIXELS = std::uint64_t{1} << 28;

// One byte per pixel, rows one after the other: 0 or 255.
struct Bitmap
{
  std::uint32_t height = 0;
  std::uint32_t width = 0;
  std::vector<std::uint8_t> pixels;

  const std::uint8_t * row(std::uint32_t y) const {return pixels.data() + std::size_t{y} * width;}
  std::uint8_t * row(std::uint32_t y) {return pixels.data() + std::size_t{y} * width;}
};

namespace detail
{

template<class Mask>
[[noreturn]] void refuse(const Mask & mask, const std::string & why)
{
  throw std::invalid_argument("mask " + std::to_string(mask.id) + ": " + why);
}

inline std::uint64_t area(std::uint32_t height, std::uint32_t width)
{
  return std::uint64_t{height} * width;
}

// Bytes of a row that hold pixels; the message's step may be larger.
template<class Mask>
std::uint64_t row_bytes(const Mask & mask)
{
  const std::uint64_t width = mask.roi.width;
  return mask.encoding == ENCODING_PACKED ? (width + 7) / 8 : width;
}

template<class Mask>
void check_window(const Mask & mask)
{
  if (area(mask.image_height, mask.image_width) > MAX_PIXELS) {
    refuse(mask, "a picture larger than any camera's");
  }
  if (std::uint64_t{mask.roi.x_offset} + mask.roi.width > mask.image_width ||
    std::uint64_t{mask.roi.y_offset} + mask.roi.height > mask.image_height)
  {
    refuse(mask, "its roi reaches outside of the picture");
  }
}

template<class Mask>
void check_payload(const Mask & mask)
{
  if (mask.encoding == ENCODING_RLE) {
    std::uint64_t covered = 0;
    for (const std::uint64_t run : mask.counts) {covered += run;}
    if (covered != area(mask.roi.height, mask.roi.width)) {
      refuse(mask, "its run lengths do not cover its roi");
    }
  } else if (mask.encoding == ENCODING_MONO8 || mask.encoding == ENCODING_PACKED) {
    if (mask.step < row_bytes(mask) || mask.data.size() != area(mask.roi.height, mask.step)) {
      refuse(mask, "its data does not fill its roi");
    }
  } else {
    refuse(mask, "unknown encoding " + std::to_string(mask.encoding));
  }
}

template<class Mask>
void check(const Mask & mask)
{
  check_window(mask);
  check_payload(mask);
}

// Pixel (x, y) of the roi, MONO8 and PACKED.
template<class Mask>
bool is_set(const Mask & mask, std::uint32_t x, std::uint32_t y)
{
  const std::size_t row = std::size_t{y} * mask.step;
  return mask.encoding == ENCODING_PACKED ? (mask.data[row + x / 8] >> (7 - x % 8)) & 1 :
         mask.data[row + x] != 0;
}

// Call visit(y, x_begin, x_end) for every run of set pixels, MONO8 and PACKED.
template<class Mask, class Visit>
void visit_rows(const Mask & mask, Visit visit)
{
  const std::uint32_t width = mask.roi.width;
  for (std::uint32_t y = 0; y < mask.roi.height; ++y) {
    const std::size_t row = std::size_t{y} * mask.step;
    std::uint32_t begin = 0;
    bool inside = false;
    for (std::uint32_t x = 0; x < width; ) {
      // Eight equal bits at once: most bytes of a mask are all background or all object.
      if (mask.encoding == ENCODING_PACKED && x % 8 == 0 && width - x >= 8 &&
        mask.data[row + x / 8] == (inside ? 0xFF : 0))
      {
        x += 8;
        continue;
      }
      if (is_set(mask, x, y) != inside) {
        if (inside) {visit(y, begin, x);}
        begin = x;
        inside = !inside;
      }
      ++x;
    }
    if (inside) {visit(y, begin, width);}
  }
}

// The same for RLE, whose runs may go on in the next row.
template<class Mask, class Visit>
void visit_counts(const Mask & mask, Visit visit)
{
  const std::uint64_t width = mask.roi.width;
  std::uint64_t position = 0;
  bool inside = false;
  for (const std::uint64_t run : mask.counts) {
    const std::uint64_t end = position + run;
    while (inside && position < end) {
      const std::uint64_t y = position / width;
      const std::uint64_t stop = std::min(end, (y + 1) * width);
      visit(static_cast<std::uint32_t>(y), static_cast<std::uint32_t>(position - y * width),
        static_cast<std::uint32_t>(stop - y * width));
      position = stop;
    }
    position = end;
    inside = !inside;
  }
}

}  // namespace detail

// Call visit(y, x_begin, x_end), in pixels of the roi, for every run of set pixels of every row.
template<class Mask, class Visit>
void visit_runs(const Mask & mask, Visit visit)
{
  detail::check(mask);
  if (mask.encoding == ENCODING_RLE) {
    detail::visit_counts(mask, visit);
  } else {
    detail::visit_rows(mask, visit);
  }
}

// The mask inside its roi.
template<class Mask>
Bitmap decode(const Mask & mask)
{
  detail::check(mask);
  Bitmap crop;
  crop.height = mask.roi.height;
  crop.width = mask.roi.width;
  crop.pixels.resize(detail::area(crop.height, crop.width));
  visit_runs(mask, [&crop](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
      std::fill(crop.row(y) + begin, crop.row(y) + end, std::uint8_t{255});
    });
  return crop;
}

// The mask in the whole picture.
template<class Mask>
Bitmap decode_full(const Mask & mask)
{
  detail::check(mask);
  Bitmap full;
  full.height = mask.image_height;
  full.width = mask.image_width;
  full.pixels.resize(detail::area(full.height, full.width));
  visit_runs(mask, [&](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
      std::uint8_t * row = full.row(mask.roi.y_offset + y) + mask.roi.x_offset;
      std::fill(row + begin, row + end, std::uint8_t{255});
    });
  return full;
}

// Whether pixel (x, y) of the picture belongs to the mask; false outside of the picture.
template<class Mask>
bool contains(const Mask & mask, std::int64_t x, std::int64_t y)
{
  detail::check(mask);
  x -= mask.roi.x_offset;
  y -= mask.roi.y_offset;
  if (x < 0 || y < 0 || x >= mask.roi.width || y >= mask.roi.height) {return false;}
  if (mask.encoding != ENCODING_RLE) {
    return detail::is_set(mask, static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y));
  }
  std::int64_t left = y * mask.roi.width + x;
  bool inside = false;
  for (const std::uint32_t run : mask.counts) {
    left -= run;
    if (left < 0) {return inside;}
    inside = !inside;
  }
  return false;
}

// For every pixel of the picture, row after row, the id of the instance it belongs to, or 0.
// Where masks overlap the lower id wins, as in the node's label image.
template<class Array>
std::vector<std::uint16_t> label_image(const Array & array)
{
  if (detail::area(array.image_height, array.image_width) > MAX_PIXELS) {
    throw std::invalid_argument("a picture larger than any camera's");
  }
  std::vector<std::uint16_t> labels(detail::area(array.image_height, array.image_width));
  for (const auto & mask : array.instances) {
    if (mask.image_height != array.image_height || mask.image_width != array.image_width) {
      detail::refuse(mask, "it belongs to a picture of another size");
    }
    const auto id = static_cast<std::uint16_t>(mask.id);
    visit_runs(mask, [&](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
        const std::size_t row = std::size_t{mask.roi.y_offset + y} * array.image_width;
        for (std::size_t x = row + mask.roi.x_offset + begin;
        x < row + mask.roi.x_offset + end; ++x)
        {
          if (labels[x] == 0 || labels[x] > id) {labels[x] = id;}
        }
      });
  }
  return labels;
}

#if YOLACT_ROS_WITH_OPENCV

// The roi, for cropping the picture: picture(yolact_ros::roi(mask)).
template<class Mask>
cv::Rect roi(const Mask & mask)
{
  return cv::Rect(
    static_cast<int>(mask.roi.x_offset), static_cast<int>(mask.roi.y_offset),
    static_cast<int>(mask.roi.width), static_cast<int>(mask.roi.height));
}

// The mask inside its roi, CV_8UC1, 0 or 255; a cv::Mat without pixels for an empty mask.
template<class Mask>
cv::Mat decode_cv(const Mask & mask)
{
  detail::check(mask);
  cv::Mat crop = cv::Mat::zeros(
    static_cast<int>(mask.roi.height), static_cast<int>(mask.roi.width), CV_8UC1);
  visit_runs(mask, [&crop](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
      std::uint8_t * row = crop.ptr<std::uint8_t>(static_cast<int>(y));
      std::fill(row + begin, row + end, std::uint8_t{255});
    });
  return crop;
}

// The mask in the whole picture, CV_8UC1, 0 or 255.
template<class Mask>
cv::Mat decode_full_cv(const Mask & mask)
{
  detail::check(mask);
  cv::Mat full = cv::Mat::zeros(
    static_cast<int>(mask.image_height), static_cast<int>(mask.image_width), CV_8UC1);
  visit_runs(mask, [&](std::uint32_t y, std::uint32_t begin, std::uint32_t end) {
      std::uint8_t * row = full.ptr<std::uint8_t>(static_cast<int>(mask.roi.y_offset + y)) +
      mask.roi.x_offset;
      std::fill(row + begin, row + end, std::uint8_t{255});
    });
  return full;
}

#endif  // YOLACT_ROS_WITH_OPENCV

}  // namespace yolact_ros

#endif  // YOLACT_ROS__MASKS_HPP_
