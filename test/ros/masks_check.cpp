// Reads masks as numbers from standard input, decodes them in every way masks.hpp offers and
// writes one line of numbers per answer; test_masks_hpp.py compares them.
//
// A mask is: image_height image_width id x_offset y_offset width height encoding step,
// the number of data bytes and they, the number of counts and they.

#include <cstdint>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include <yolact_ros/masks.hpp>
#ifdef WITH_GENERATED_MESSAGE
#include <yolact_ros/msg/instance_mask_array.hpp>
#endif

// A stranger's type that happens to have the fields.
struct Window {std::uint32_t x_offset, y_offset, height, width;};
struct PlainMask
{
  std::uint32_t image_height, image_width, id;
  Window roi;
  std::uint8_t encoding;
  std::uint32_t step;
  std::vector<std::uint8_t> data;
  std::vector<std::uint32_t> counts;
};
struct PlainArray
{
  std::uint32_t image_height, image_width;
  std::vector<PlainMask> instances;
};

template<class Value>
void read_values(std::istream & in, std::vector<Value> & values)
{
  std::size_t count = 0;
  in >> count;
  values.resize(count);
  for (auto & value : values) {
    unsigned number = 0;
    in >> number;
    value = static_cast<Value>(number);
  }
}

template<class Mask>
Mask read_mask(std::istream & in)
{
  Mask mask;
  unsigned encoding = 0;
  in >> mask.image_height >> mask.image_width >> mask.id >> mask.roi.x_offset >>
  mask.roi.y_offset >> mask.roi.width >> mask.roi.height >> encoding >> mask.step;
  mask.encoding = static_cast<std::uint8_t>(encoding);
  read_values(in, mask.data);
  read_values(in, mask.counts);
  return mask;
}

template<class Pixels>
void write(const char * name, const Pixels & pixels)
{
  std::cout << name;
  for (const unsigned pixel : pixels) {std::cout << ' ' << pixel;}
  std::cout << '\n';
}

#if YOLACT_ROS_WITH_OPENCV
void write_cv(const char * name, const cv::Mat & image)
{
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < image.rows; ++y) {
    const std::uint8_t * row = image.ptr<std::uint8_t>(y);
    pixels.insert(pixels.end(), row, row + image.cols);
  }
  write(name, pixels);
}
#endif

template<class Mask>
void answer(const Mask & mask)
{
  write("crop", yolact_ros::decode(mask).pixels);
  write("full", yolact_ros::decode_full(mask).pixels);
  std::vector<std::uint8_t> hits;
  for (std::uint32_t y = 0; y < mask.image_height; ++y) {
    for (std::uint32_t x = 0; x < mask.image_width; ++x) {
      hits.push_back(yolact_ros::contains(mask, x, y));
    }
  }
  write("contains", hits);
  if (yolact_ros::contains(mask, -1, 0) || yolact_ros::contains(mask, mask.image_width, 0)) {
    throw std::runtime_error("a pixel outside of the picture belongs to the mask");
  }
#if YOLACT_ROS_WITH_OPENCV
  write_cv("crop_cv", yolact_ros::decode_cv(mask));
  write_cv("full_cv", yolact_ros::decode_full_cv(mask));
  const cv::Rect roi = yolact_ros::roi(mask);
  write("roi_cv", std::vector<int>{roi.x, roi.y, roi.width, roi.height});
#endif
}

template<class Mask, class Array>
void run()
{
  std::string line;
  Array array;
  while (std::getline(std::cin, line)) {
    std::istringstream in(line);
    Mask mask = read_mask<Mask>(in);
    try {
      answer(mask);
    } catch (const std::invalid_argument & error) {
      std::cout << "refused " << error.what() << '\n';
      continue;
    }
    if (array.instances.empty()) {
      array.image_height = mask.image_height;
      array.image_width = mask.image_width;
    }
    array.instances.push_back(mask);
    try {
      write("labels", yolact_ros::label_image(array));
    } catch (const std::invalid_argument & error) {
      std::cout << "refused " << error.what() << '\n';
      array.instances.clear();
    }
  }
}

int main(int argc, char ** argv)
{
  if (argc > 1 && argv[1] == std::string("plain")) {
    run<PlainMask, PlainArray>();
  } else {
#ifdef WITH_GENERATED_MESSAGE
    run<yolact_ros::msg::InstanceMask, yolact_ros::msg::InstanceMaskArray>();
#endif
  }
  return 0;
}
