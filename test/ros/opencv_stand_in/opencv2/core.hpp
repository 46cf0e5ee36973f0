// The few calls of OpenCV's core that masks.hpp makes, for machines without OpenCV's headers.

#ifndef OPENCV_STAND_IN_CORE_HPP_
#define OPENCV_STAND_IN_CORE_HPP_

#include <cstddef>
#include <vector>

#define CV_8UC1 0

namespace cv
{

struct Rect
{
  Rect(int x, int y, int width, int height)
  : x(x), y(y), width(width), height(height) {}
  int x, y, width, height;
};

class Mat
{
public:
  static Mat zeros(int rows, int cols, int)
  {
    Mat mat;
    mat.rows = rows;
    mat.cols = cols;
    mat.bytes.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    return mat;
  }
  template<class T> T * ptr(int row) {return bytes.data() + index(row);}
  template<class T> const T * ptr(int row) const {return bytes.data() + index(row);}

  int rows = 0, cols = 0;

private:
  std::size_t index(int row) const
  {
    return static_cast<std::size_t>(row) * static_cast<std::size_t>(cols);
  }
  std::vector<unsigned char> bytes;
};

}  // namespace cv

#endif  // OPENCV_STAND_IN_CORE_HPP_
