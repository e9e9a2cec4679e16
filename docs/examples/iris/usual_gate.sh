# The gate that most pipelines have: shell arithmetic over a number in a file. It fails when accuracy < 0.85, or so its
# author thought: on NaN, bc reports a syntax error and prints nothing, and nothing is not 1.
accuracy=$(sed -n 's/.*"accuracy": \([^,}]*\).*/\1/p' summary.json)
if [ "$(echo "$accuracy < 0.85" | bc -l 2>/dev/null)" = 1 ]; then
  echo "usual gate: FAIL ($accuracy)"
  exit 1
fi
echo "usual gate: PASS ($accuracy)"
