"""Words that mean the same, and words that mean the contrary: English, in lower case, a group a line."""

from __future__ import annotations


def _groups(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in text.strip().splitlines())


SYNONYMS = _groups(
    """
    buy purchase purchasing bought
    cancel terminate cancellation cancelling canceling
    change switch modify alter edit update amend
    delete remove erase wipe
    start begin commence launch
    stop quit halt cease
    end finish ending
    fix repair solve resolve mend troubleshoot
    broken faulty defective
    problem issue trouble fault
    mistake error
    help assist support assistance
    contact reach ring call phone
    phone mobile smartphone cellphone cell
    parcel package delivery
    ship deliver post send shipping dispatch
    refund reimbursement reimburse moneyback
    cost price fee charge charges pricing rate costs prices fees
    pay payment paying paid
    cheap inexpensive affordable
    expensive pricey costly dear
    big large huge
    small little tiny
    fast quick rapid quickly speedy
    slow sluggish
    job work employment
    employer boss company
    salary pay wage wages earnings
    holiday vacation leave
    car vehicle auto automobile
    flat apartment
    house home property
    doctor gp physician
    medicine medication drug
    sick ill unwell
    child kid children kids
    book reserve schedule booking reservation arrange
    appointment meeting
    join enroll enrol register signup
    signin login log-in
    signout logout
    freeze lock block suspend
    invoice bill
    receipt proof
    voucher coupon
    gift present
    photo picture image
    film movie
    area region
    country nation
    city town
    create generate produce set-up setup
    build construct
    choose select pick
    check verify confirm
    see view look
    move transfer migrate
    connect link pair
    install installation
    configure set
    use using utilise utilize
    show display
    difference differ differences distinction
    list enumerate
    reason cause
    required necessary mandatory
    allowed permitted
    eligible qualify entitled
    apply application
    claim claiming
    complaint complain grievance
    formal official
    rubbish trash garbage waste
    collect collection pickup
    return returns returning
    exchange swap
    save store keep
    restore recover retrieve
    upgrade upgrading
    plan subscription membership
    customer client
    account profile
    password passcode
    email e-mail mail
    website site
    internet wifi wi-fi
    hours times
    location address
    open opening opens
    close closing closes shut
    maximum max
    minimum min
    limit cap allowance
    length duration
    size dimension dimensions
    temperature temp
    convert conversion
    translate translation
    calculate compute
    reverse invert
    function method
    string text
    array list
    dictionary dict hashmap
    file document
    folder directory
    screen display
    picture image
    author writer wrote
    invent inventor invented
    discover discovered
    population inhabitants
    capital
    symptom sign symptoms signs
    treat cure treatment
    cook prepare
    recipe make
    exercise workout
    learn study
    teach instruct
    student pupil
    university college
    insurance cover coverage
    late overdue delayed delay
    missing lost lose
    stolen theft
    damaged damage broken
    notify inform
    approve accept
    reject decline
    allow let permit
    invite add
    share sharing
    increase raise
    reduce decrease lower cut
    improve better enhance
    replace replacement
    order ordering
    track tracking status
    submit hand-in
    own have possess
    live reside
    die death died
    born birth
    tall height high
    heavy weight weigh
    deep depth
    old age
    far distance
    baby infant
    dog puppy
    money cash funds
    offer provide
    sell stock
    ticket tickets
    flight plane
    airport terminal
    luggage baggage bag
    hotel accommodation
    restaurant
    meal food
    takeaway takeout
    vegetarian veggie
    coeliac celiac gluten-free
    landlord landlady
    tenant renter
    rent rental
    tenancy lease
    deposit
    mortgage
    loan lending
    interest
    savings saving
    tax taxes
    bin dustbin
    council municipality
    permit licence license
    print printer
    charge recharge charging
    battery
    laptop notebook computer pc
    notification alert
    disable deactivate
    enable activate
    upload uploading
    download downloading
    export exporting
    import importing
    crash crashing crashes
    bug defect
    test testing
    deploy deployment
    branch
    merge combine
    query
    """
)

ANTONYMS = tuple(
    (left.strip().split(), right.strip().split())
    for left, right in (
        line.split("|")
        for line in """
    open opens opened opening|close closes closed closing shut
    start begin starts begins|stop end finish ends quit
    enable enabled activate enabling|disable disabled deactivate disabling
    on|off
    in|out
    up|down
    with|without
    before|after
    above over|below under
    increase raise increasing gain grow rise|decrease reduce lower decreasing lose shrink fall drop
    more most|less least fewer fewest
    maximum max highest|minimum min lowest
    best|worst
    better|worse
    good|bad
    cheap cheapest cheaper|expensive dearest pricey
    big bigger biggest large largest|small smaller smallest
    long longer longest|short shorter shortest
    high higher|low lower
    fast faster fastest|slow slower slowest
    early earlier earliest|late later latest
    old older oldest|new newer newest young younger youngest
    hot hotter warm|cold colder cool
    first|last second third
    add adding|remove delete subtract removing
    include included including|exclude excluded excluding
    allow allowed allows permit permitted|forbid forbidden prohibit prohibited ban banned block
    accept accepted approve|reject decline refuse deny
    safe|unsafe dangerous harmful
    legal|illegal unlawful
    possible|impossible
    true|false
    correct right|incorrect wrong
    valid|invalid
    public|private
    internal|external
    inside indoors indoor|outside outdoors outdoor
    buy purchase|sell return
    borrow|lend
    send|receive
    give|take
    deposit|withdraw withdrawal
    lock freeze|unlock unfreeze
    encrypt|decrypt
    encode|decode
    compress|decompress extract
    install|uninstall
    subscribe join|unsubscribe leave
    login signin|logout signout
    import importing|export exporting
    upload|download
    upgrade|downgrade
    mute|unmute
    connect|disconnect
    attach|detach
    follow|unfollow
    show|hide
    expand|collapse
    pass|fail
    win|lose
    push|pull
    arrive arrival arrivals|depart departure departures leave
    entry enter entrance|exit
    import|export
    domestic|international
    incoming inbound|outgoing outbound
    front|back rear
    left|right
    top|bottom
    male men man boys|female women woman girls
    husband|wife
    mother|father
    son|daughter
    adult adults|child children kids
    landlord|tenant
    employer|employee
    buyer|seller
    teacher|student
    client|server
    full fulltime full-time|part parttime part-time empty
    free|paid
    single|joint married double return
    employed|self-employed unemployed
    renew|cancel
    eat|avoid
    like love|dislike hate
    advantages pros benefits advantage|disadvantages cons drawbacks risks disadvantage
    strengths|weaknesses
    positive|negative
    even|odd
    ascending|descending
    sync synchronous|async asynchronous
    horizontal|vertical
    input|output
    read|write
    credit|debit
    gross|net
    fixed|variable
    temporary|permanent
    physical|virtual digital
    iphone ios|android
    windows|mac macos linux
    mac macos|linux
    today|tomorrow yesterday
    north northern|south southern
    east eastern|west western
    day daytime|night nighttime
    daily|weekly monthly yearly
    weekly|monthly yearly annual
    monthly|yearly annual annually
    wet|dry
    heavy|light
    strong|weak
    soft|hard
    easy easier|hard difficult harder
    alive|dead
    born birth|died death die
    freezing|boiling
    melting|boiling
    winter|summer
    prefix|suffix
    merge|split close rebase
    create make|delete destroy remove
    insert|delete
    lead|follow
    ask|answer
    question|answer
    cause causes|treat treatment cure prevent effect
    symptoms symptom|treatment cure causes
    host|guest
    personal|business
    same|different
    both|neither
    always|never
    everyone everybody|nobody
    gas|electricity electric
    student students|staff teachers seniors
    work working works|broken faulty fault
    owe|receive
    missing|found
    lost|found stolen
    past|future
    within during|after before
    approve approved accepted|reject rejected declined denied
    successful succeed|unsuccessful fail failed
    take|avoid
    compulsory mandatory required|optional voluntary
    pause suspend|resume continue
    busy|quiet
    spicy|mild
    archive|unarchive restore
    enrol enroll join register|withdraw leave
    opt-in|opt-out
    online|paper offline
    home|abroad away
    improve|damage worsen harm
    benefit benefits upside upsides|downside downsides risk risks drawback
    puppy|kitten
    dog|cat
    one-way|return
    single|double
    manual|automatic
    minimum|average
    maximum|average
    wholesale|retail
    debit|prepaid
    undergraduate|postgraduate master
    hand|checked hold
    economy|business
    monthly|weekly
    myself mine|someone colleague friend
    """.strip().splitlines()
    )
)
