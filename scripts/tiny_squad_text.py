# SPDX-License-Identifier: Apache-2.0
"""The text of tests/data/tiny_squad: kinds of facts, each with sentences and questions for training and for dev.

A fact is one sentence that fills every slot of its family; a question names one or two slots and asks for another,
which stands before its colon. No sentence or question of dev is one of training, but every word of dev is a word of
training: what dev tests is the reading of new phrasings, not of new words.
"""

FIRST_NAMES = ("Ada Bruno Clara David Elena Frank Greta Hugo Irene Jonas Karla Leon Marta Nils Olga Paul Rosa Simon "
               "Tessa Viktor Walter Zoë José René Nora Emil").split()
SURNAMES = ("Adler Baker Castro Dahl Engel Fischer Grant Holm Ivanov Jensen Keller Lindt Moreau Nilsson Olsen Peters "
            "Quinn Russo Silva Turner Vogel Weber Young Zeller Müller Núñez").split()
TOWN_BEGINNINGS = "Ash Black Castle East Green Hart King Lake Mill North Oak Red Stone West White Wood".split()
TOWN_ENDINGS = "ford field ton ham bury port wick dale".split()
MONTHS = "January February March April May June July August September October November December".split()
WORDS = {
    "colour": "red blue green yellow white black brown grey silver golden".split(),
    "thing": "bicycle guitar lamp coat clock sofa violin carpet kettle tent".split(),
    "animal": "cows goats horses sheep ducks geese pigs hens".split(),
    "job": "teacher doctor painter lawyer farmer pilot nurse driver writer singer".split(),
    "vehicle": "train bus car boat plane taxi ferry tram".split(),
    "spot": ("market square;old mill;town hall;grand hotel;central park;river bank;city library;main station;"
             "royal garden;church yard").split(";"),
}
BUILDINGS = (("stone", "wooden", "iron", "tall", "round", "little"),
             ("bridge", "tower", "theatre", "school", "museum", "castle"))
EVENTS = (("spring", "summer", "winter", "annual", "open", "night"),
          ("concert", "market", "race", "parade", "fair", "ball"))
FILLERS = {
    "train": ["The weather was fine that week.", "Many people still talk about it.", "Nobody knows the reason.",
              "There is more to tell.", "All of this is well known in the region.", "The rest is not known.",
              "Some of this was in the news.", "Not much more is written about it."],
    "dev": ["Nobody in the region knows more.", "Much of this is still not known.",
            "The weather is well known in the news."],
}
OPENERS = {
    "train": ["According to the news, ", "As many people know, ", "It is known that ", "We are told that ",
              "It is also true that ", "It is written that "],
    "dev": ["As we are told, ", "It is well known that "],
}

# Slots with the kind of their values; sentences of training and of dev; questions of training and of dev.
FAMILIES = {
    "birth": (
        "who=person where=town when=year",
        """{who} was born in {where} in {when}.
        In {when}, {who} was born in the town of {where}.
        {who} came into the world in {when} in {where}.
        {where} is the town where {who} was born in {when}.
        The birth of {who} took place in {where} in {when}.
        Born in {where} in {when}, {who} was the first child of the family.
        The year {when} saw the birth of {who} in the town of {where}.
        In {where}, a child called {who} was born in the year {when}.""",
        """In the town of {where}, {who} was born in {when}.
        It was in {when} that {who} came into the world in {where}.
        The first child of the family, {who}, was born in {when} in {where}.""",
        """where: Where was {who} born?
        where: In which town was {who} born?
        where: What is the birth place of {who}?
        where: In what town did {who} come into the world?
        where: Which town saw the birth of {who}?
        when: When was {who} born?
        when: In which year was {who} born?
        when: In what year did the birth of {who} take place?
        when: What was the year of the birth of {who}?
        who: Who was born in {where}?
        who: Who was born in {when}?
        who: Which person was born in the town of {where}?
        who: Who came into the world in {when}?
        who: What is the name of the child born in {where}?""",
        """where: Where did {who} come into the world?
        where: What is the town where {who} was born?
        when: When did {who} come into the world?
        when: In which year did the birth of {who} take place?
        who: Who came into the world in {where}?
        who: What is the name of the person born in {when}?"""),
    "building": (
        "what=building who=person when=year size=number",
        """The {what} was built by {who} in {when} and is {size} metres high.
        In {when}, {who} built the {what}, which is {size} metres high.
        {who} designed the {what} of {size} metres in {when}.
        With its {size} metres, the {what} was finished by {who} in {when}.
        The {what}, {size} metres high, is a work of {who} from the year {when}.
        At {size} metres, the {what} was the work of {who}, who finished it in {when}.
        Since {when} people visit the {what} that {who} designed, and its height is {size} metres.
        The height of the {what} is {size} metres; {who} made it in {when}.""",
        """In {when}, the {what} was designed by {who} with a height of {size} metres.
        {who} finished the {what} in {when}, and it is {size} metres high.
        The {what} of {size} metres was made by {who} in the year {when}.""",
        """who: Who built the {what}?
        who: Who designed the {what}?
        who: By whom was the {what} built?
        who: Which person finished the {what}?
        who: Whose work is the {what}?
        when: When was the {what} built?
        when: In which year was the {what} finished?
        when: In what year did {who} build the {what}?
        when: Since when do people visit the {what}?
        when: When did {who} design the {what}?
        when: When did {who} make the {what}?
        size: How high is the {what}?
        size: How many metres high is the {what}?
        size: What is the height of the {what} in metres?
        what: What did {who} build?
        what: What was built in {when}?
        what: Which building was designed by {who}?
        what: Which building is {size} metres high?""",
        """who: Who made the {what}?
        who: By whom was the {what} designed?
        when: When was the {what} finished?
        when: In which year did {who} make the {what}?
        size: How many metres is the height of the {what}?
        what: What did {who} design?
        what: Which building was finished in {when}?"""),
    "purchase": (
        "who=person colour=colour thing=thing price=number",
        """{who} bought a {colour} {thing} for {price} euros.
        For {price} euros, {who} got a {colour} {thing}.
        A {colour} {thing} was sold to {who} for {price} euros.
        {who} paid {price} euros for a {colour} {thing}.
        The {colour} {thing} in the shop cost {who} {price} euros.
        The {thing} of {who} is {colour} and cost {price} euros.
        {price} euros is what {who} paid for the {thing}, which is {colour}.
        In the shop, {who} chose the {thing} in {colour} at a price of {price} euros.""",
        """A {colour} {thing} was bought by {who} for {price} euros.
        At a price of {price} euros, {who} chose a {colour} {thing}.
        The {thing} that {who} bought is {colour} and cost {price} euros.""",
        """colour: What colour is the {thing}?
        colour: What is the colour of the {thing} of {who}?
        colour: Which colour did {who} choose for the {thing}?
        colour: In which colour did {who} buy the {thing}?
        price: How much did {who} pay for the {thing}?
        price: How many euros did the {thing} cost?
        price: What was the price of the {colour} {thing}?
        price: How much was paid by {who}?
        thing: What did {who} buy?
        thing: What was sold for {price} euros?
        thing: Which thing did {who} get for {price} euros?
        thing: What {colour} thing did {who} choose?
        who: Who bought the {thing}?
        who: Who paid {price} euros?
        who: To whom was the {colour} {thing} sold?
        who: Which person got the {thing}?""",
        """colour: What colour is the {thing} of {who}?
        colour: Which colour is the {thing} that {who} got?
        price: How much did the {thing} cost?
        price: How many euros did {who} pay?
        thing: What did {who} get for {price} euros?
        who: Who got the {colour} {thing}?
        who: By whom was the {thing} bought?"""),
    "event": (
        "what=event spot=spot day=day count=number",
        """The {what} was held in the {spot} on {day} with {count} guests.
        On {day}, {count} guests came to the {what} in the {spot}.
        {count} people saw the {what} that took place on {day} at the {spot}.
        At the {spot}, the {what} of {day} was visited by {count} people.
        The {what} began on {day} at the {spot}, and {count} people came.
        In the {spot}, {count} people came together on {day} for the {what}.
        On {day} the {spot} was the place of the {what}, with {count} visitors.
        There were {count} visitors when the {what} took place at the {spot} on {day}.""",
        """At the {spot}, {count} guests saw the {what} on {day}.
        The {what} of {day} took place in the {spot} with {count} visitors.
        On {day}, the {what} was held at the {spot}, and {count} people came.""",
        """spot: Where was the {what} held?
        spot: Where did the {what} take place?
        spot: At which place did people see the {what}?
        spot: What was the place of the {what}?
        day: When was the {what} held?
        day: On which day did the {what} begin?
        day: On what day was the {what} in the {spot}?
        day: What was the day of the {what}?
        count: How many guests came to the {what}?
        count: How many people saw the {what}?
        count: How many visitors were in the {spot}?
        count: By how many people was the {what} visited?
        what: What took place in the {spot}?
        what: What was held on {day}?
        what: Which event was visited by {count} people?
        what: What did people see at the {spot}?""",
        """spot: At which place was the {what} held?
        spot: Where did people see the {what}?
        day: When did the {what} take place?
        day: On which day was the {what}?
        count: How many visitors came to the {what}?
        count: How many guests were at the {spot}?
        what: What was held in the {spot}?
        what: Which event took place on {day}?"""),
    "farm": (
        "who=person first=animal one=number second=animal two=number",
        """{who} keeps {one} {first} and {two} {second} on the farm.
        On the farm of {who} there are {one} {first} and {two} {second}.
        There are {one} {first} and also {two} {second} that {who} feeds.
        The farmer {who} has {one} {first} beside {two} {second}.
        With {one} {first} and {two} {second}, the farm of {who} is a large one.
        {one} {first} live on the farm of {who} together with {two} {second}.""",
        """The farm of {who} has {one} {first} and also {two} {second}.
        On the farm, {who} feeds {one} {first} together with {two} {second}.""",
        """one: How many {first} does {who} keep?
        one: How many {first} are there on the farm of {who}?
        one: What is the number of {first} that {who} has?
        two: How many {second} does {who} feed?
        two: How many {second} live on the farm of {who}?
        two: How many {second} has {who}?
        two: How many {second} does {who} have?
        who: Who keeps {one} {first}?
        who: Who has {two} {second}?
        who: Whose farm has {one} {first}?""",
        """one: How many {first} live with {who}?
        one: How many {first} does {who} have?
        two: How many {second} are on the farm of {who}?
        two: What is the number of {second} that {who} feeds?
        who: Who feeds {one} {first}?
        who: On whose farm live {two} {second}?"""),
    "journey": (
        "who=person origin=town goal=town means=vehicle",
        """{who} travelled from {origin} to {goal} by {means}.
        By {means}, {who} went to {goal} from {origin}.
        From {origin}, {who} took the {means} to {goal}.
        {who} left {origin} by {means} and came to {goal}.
        The {means} took {who} to {goal}; the journey began in {origin}.
        A {means} from {origin} to {goal} was what {who} took.
        To get to {goal}, {who} left {origin} with the {means}.
        The journey of {who} from {origin} to {goal} was made by {means}.""",
        """By {means}, {who} travelled from {origin} to {goal}.
        The {means} from {origin} took {who} to {goal}.
        {who} went by {means} to {goal}; the journey began in {origin}.""",
        """origin: From where did {who} travel?
        origin: Where did the journey of {who} begin?
        origin: Which town did {who} leave?
        origin: From which town did {who} go to {goal}?
        goal: Where did {who} travel to?
        goal: To which town did {who} go?
        goal: To where did {who} take the {means}?
        goal: What was the goal of the journey of {who}?
        means: How did {who} travel?
        means: How did {who} get to {goal}?
        means: By what means did {who} leave {origin}?
        means: What took {who} to {goal}?
        who: Who travelled from {origin}?
        who: Who went to {goal}?
        who: Which person took the {means}?
        who: Who left {origin}?""",
        """origin: From which town did {who} travel?
        origin: Where did {who} begin the journey?
        goal: To which town did {who} travel?
        goal: Where did {who} go to by {means}?
        means: By what means did {who} travel?
        means: How did {who} go from {origin}?
        who: Who travelled to {goal}?
        who: Which person left {origin}?"""),
    "work": (
        "who=person job=job where=town since=year",
        """{who} works as a {job} in {where} since {since}.
        Since {since}, {who} has been a {job} in {where}.
        The {job} {who} has an office in {where}, which was opened in {since}.
        In {where}, {who} found work as a {job} in {since}.
        {where} has a new {job} since {since}, called {who}.
        In {since} {who} became a {job} in the town of {where}.
        A {job} called {who} has worked in {where} since {since}.
        The town of {where} got its {job}, {who}, in {since}.""",
        """{who} became a {job} in {where} in {since}.
        In the town of {where}, {who} works as a {job} since {since}.
        The {job} called {who} opened an office in {where} in {since}.""",
        """job: What is the job of {who}?
        job: What does {who} do in {where}?
        job: As what does {who} work?
        job: What did {who} become in {since}?
        where: Where does {who} work?
        where: In which town does the {job} work?
        where: Where is the office of {who}?
        where: In what town did {who} become a {job}?
        since: Since when does {who} work in {where}?
        since: When did {who} become a {job}?
        since: In which year did {who} find work?
        since: In what year did the {job} open an office?
        who: Who works as a {job}?
        who: Who became a {job} in {where}?
        who: What is the name of the {job}?
        who: Who has an office in {where}?""",
        """job: What work does {who} do?
        job: As what did {who} find work in {since}?
        where: In which town does {who} work?
        where: Where did {who} become a {job}?
        since: In which year did {who} become a {job}?
        since: Since when has {who} been a {job}?
        who: What is the name of the {job} in {where}?
        who: Who found work in {where}?"""),
}
