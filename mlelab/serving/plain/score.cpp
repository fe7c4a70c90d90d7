#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

const std::vector<double> means = {@MEANS@};
const std::vector<double> weights = {@WEIGHTS@};
const std::vector<std::map<std::string, double>> levels = {@LEVELS@};

double score(const std::vector<std::string>& row) {
  double sum = @INTERCEPT@;
  for (std::size_t i = 0; i < means.size(); ++i)
    sum += weights[i] * (row[i].empty() ? means[i] : std::stod(row[i]));
  for (std::size_t i = 0; i < levels.size(); ++i) {
    auto found = levels[i].find(row[means.size() + i]);
    if (found != levels[i].end()) sum += found->second;
  }
  return 1 / (1 + std::exp(-sum));
}

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<std::string> row;
    std::stringstream cells(line);
    for (std::string cell; std::getline(cells, cell, ',');) row.push_back(cell);
    std::printf("%.17g\n", score(row));
  }
}
