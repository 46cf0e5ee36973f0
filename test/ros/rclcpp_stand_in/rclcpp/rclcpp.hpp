// The few calls of rclcpp that the examples in the documentation make, to be compiled and never run.

#ifndef RCLCPP_STAND_IN_RCLCPP_HPP_
#define RCLCPP_STAND_IN_RCLCPP_HPP_

#include <cstdio>
#include <future>
#include <memory>
#include <string>

#define RCLCPP_INFO(logger, ...) (static_cast<void>(logger), std::printf(__VA_ARGS__))

namespace rclcpp
{

enum class FutureReturnCode { SUCCESS, INTERRUPTED, TIMEOUT };
class Logger {};

template<class ServiceT>
class Client
{
public:
  using SharedPtr = std::shared_ptr<Client>;
  using Response = std::shared_ptr<typename ServiceT::Response>;
  struct FutureAndRequestId { std::future<Response> future; Response get(); };

  bool wait_for_service();
  FutureAndRequestId async_send_request(std::shared_ptr<typename ServiceT::Request> request);
};

class Node
{
public:
  using SharedPtr = std::shared_ptr<Node>;

  static SharedPtr make_shared(const std::string & name);
  Logger get_logger() const;
  template<class ServiceT>
  typename Client<ServiceT>::SharedPtr create_client(const std::string & name);
};

void init(int argc, char ** argv);
void shutdown();
template<class FutureT>
FutureReturnCode spin_until_future_complete(Node::SharedPtr node, FutureT & future);

}  // namespace rclcpp

#endif  // RCLCPP_STAND_IN_RCLCPP_HPP_
