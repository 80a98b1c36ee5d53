# What an exercise runs: few things of each kind. In a machine that is emulated each costs most when done first.
import json, math, sys


class Point:
    def __init__(self, x):
        self.x = x


def double(points):
    return [point.x * 2 for point in points if point.x != 1]


numbers = {str(number): math.sqrt(number) for number in range(4)}
print(f'{sum(double(map(Point, range(9)))):.2f}', sorted(numbers), sys.argv)
print(json.loads(json.dumps(numbers)))
try:
    numbers['missing']
except KeyError as error:
    print(error, file=sys.stderr)
