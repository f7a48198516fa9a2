/** Numbers that the Python client reads from the same files. */

import appearance from "../../../../vision/liveness/limits.json";
import recipe from "../../../../vision/recipe.json";

export default recipe;

export const APPEARANCE = appearance.appearance;
