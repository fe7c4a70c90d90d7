import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.List;
import java.util.Map;

public class Score {
  static final double[] MEANS = {@MEANS@};
  static final double[] WEIGHTS = {@WEIGHTS@};
  static final List<Map<String, Double>> LEVELS = List.of(@LEVELS@);

  static double score(String[] row) {
    double sum = @INTERCEPT@;
    for (int i = 0; i < MEANS.length; i++)
      sum += WEIGHTS[i] * (row[i].isEmpty() ? MEANS[i] : Double.parseDouble(row[i]));
    for (int i = 0; i < LEVELS.size(); i++)
      sum += LEVELS.get(i).getOrDefault(row[MEANS.length + i], 0.0);
    return 1 / (1 + Math.exp(-sum));
  }

  public static void main(String[] arguments) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine())
      System.out.println(score(line.split(",", -1)));
  }
}
