/** The recipe's numbers, which the Python client reads from the same file. */

import recipe from "../../../../vision/recipe.json";

export default recipe;
